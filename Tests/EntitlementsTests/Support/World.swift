import DatabaseFixtures
import Foundation
import Storage

@testable import Entitlements

/// A database with a user, a developer and an agent, at a time of the test's choice.
struct World: Sendable {
    static let digest = "sha256:" + String(repeating: "ab", count: 32)

    let database: Database
    let clock: TestClock
    let user: User
    let developer: User
    let agent: Agent

    var users: UserRepository { UserRepository(now: clock.read) }
    var agents: AgentRepository { AgentRepository(now: clock.read) }
    var grants: GrantRepository { GrantRepository(now: clock.read) }
    var keys: APIKeyRepository { APIKeyRepository(now: clock.read) }
    var ledger: Ledger { Ledger(now: clock.read) }
    var settlement: Settlement { Settlement(now: clock.read) }
    var admission: Admission { Admission(now: clock.read) }

    static func with(
        _ backend: Backend, at time: String = "2026-11-21T10:00:00Z", price: String = "0",
        _ body: (World) async throws -> Void
    ) async throws {
        try await backend.withDatabase { database async throws in
            try await database.migrate()
            try await body(try await make(on: database, at: time, price: price))
        }
    }

    static func make(on database: Database, at time: String, price: String) async throws -> World {
        let clock = TestClock(time)
        let users = UserRepository(now: clock.read)
        return try await database.transaction { transaction async throws in
            let user = try await users.ensure("usr_alice", in: transaction)
            let developer = try await users.ensure("usr_dev", role: .developer, in: transaction)
            let agent = try await AgentRepository(now: clock.read).create(
                draft(price: price), ownerID: developer.id, by: "test", in: transaction)
            return World(database: database, clock: clock, user: user, developer: developer, agent: agent)
        }
    }

    static func draft(price: String = "0", token: String = "USD") -> AgentDraft {
        AgentDraft(
            name: "text report", description: "Counts the words of a text.", category: .utility, price: price,
            priceToken: token, dockerImage: "paddock/text-report:1", imageDigest: digest)
    }

    // MARK: Shorthand

    func change(_ userID: String? = nil, _ body: (inout AccessChange) -> Void) async throws {
        var change = AccessChange()
        body(&change)
        let (id, fixed) = (userID ?? user.id, change)
        try await database.transaction(isolation: .readCommitted) { transaction async throws in
            try await users.setAccess(id, fixed, by: "test", in: transaction)
        }
    }

    /// Nothing but money is in the way.
    func unlimit(_ userID: String? = nil) async throws {
        try await change(userID) {
            $0.executionsPerDay = .set(1_000_000)
            $0.executionsPerHour = .set(1_000_000)
            $0.maxConcurrent = .set(1_000_000)
        }
    }

    func grant(uses: Int? = nil, expiresAt: Date? = nil, source: Grant.Source = .admin) async throws {
        try await database.transaction(isolation: .readCommitted) { transaction async throws in
            try await grants.grant(
                userID: user.id, agentID: agent.id, source: source, expiresAt: expiresAt, usesLimit: uses, by: "test",
                in: transaction)
        }
    }

    func change(agent change: (inout AgentDraft) -> Void) async throws {
        var draft = AgentDraft(agent)
        change(&draft)
        let fixed = draft
        try await database.transaction(isolation: .readCommitted) { transaction async throws in
            _ = try await agents.update(agent.id, to: fixed, by: "test", in: transaction)
        }
    }

    func request(_ id: String? = nil, user userID: String? = nil) -> AdmissionRequest {
        AdmissionRequest(
            executionID: id ?? Identifier.make("exe_"), userID: userID ?? user.id, agentID: agent.id)
    }

    /// Decides in a transaction that is committed only when it is admitted.
    func submit(_ request: AdmissionRequest? = nil, with admission: Admission? = nil) async throws -> Decision {
        try await Self.submit(request ?? self.request(), with: admission ?? self.admission, on: database)
    }

    static func submit(
        _ request: AdmissionRequest, with admission: Admission, on database: Database
    ) async throws -> Decision {
        do {
            return try await database.transaction(isolation: .readCommitted) { transaction async throws in
                let decision = try await admission.admit(request, in: transaction) { _ in "{}" }
                if case .denied(let denial) = decision { throw denial }
                return decision
            }
        } catch let denial as Denial {
            return .denied(denial)
        }
    }

    func denial(_ request: AdmissionRequest? = nil) async throws -> Denial? {
        if case .denied(let denial) = try await submit(request) { denial } else { nil }
    }

    @discardableResult
    func settle(
        _ id: String, _ state: ExecutionState = .succeeded, _ reason: String? = "exit", _ usage: StoredUsage? = .some
    ) async throws -> Settlement.Outcome? {
        try await database.transaction(isolation: .readCommitted) { transaction async throws in
            try await settlement.settle(id, state: state, reason: reason, usage: usage, in: transaction)
        }
    }

    func access() async throws -> Access {
        guard let access = try await users.access(of: user.id, in: database) else {
            throw EntitlementError.notFound("user", user.id)
        }
        return access
    }

    func count(_ table: SQL) async throws -> Int {
        try await database.query("SELECT count(*) AS number FROM \(table)").first?["number"] ?? 0
    }
}

extension StoredUsage {
    static let some = StoredUsage(
        wallMilliseconds: 2000, cpuMilliseconds: 1000, maxMemoryBytes: 64 << 20, logBytes: 100, egressBytes: 0)
}

extension Decision {
    var reservation: Reservation? { if case .admitted(let reservation) = self { reservation } else { nil } }
    var isAdmitted: Bool { reservation != nil }
    var denial: Denial? { if case .denied(let denial) = self { denial } else { nil } }
}
