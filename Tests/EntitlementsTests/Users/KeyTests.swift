import DatabaseFixtures
import Foundation
import Storage
import Testing

@testable import Entitlements

@Suite("API keys")
struct KeyTests {
    private func make(
        _ world: World, role: Role? = nil, expiresAt: Date? = nil
    ) async throws -> APIKeyRepository.New {
        try await world.database.transaction(isolation: .readCommitted) { transaction in
            try await world.keys.create(
                userID: world.user.id, name: "laptop", role: role, scopes: ["executions:write"], requestLimit: 7,
                expiresAt: expiresAt, by: "test", in: transaction)
        }
    }

    @Test("are known by their text, of which the database has none", arguments: Backend.allCases)
    func authenticates(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            let new = try await make(world)
            #expect(new.text.hasPrefix("pdk_"))
            #expect(new.text.hasPrefix(new.key.prefix))
            let key = try #require(try await world.keys.authenticate(new.text, in: world.database))
            #expect(key.id == new.key.id)
            #expect(key.userID == world.user.id)
            #expect(key.requestLimit == 7)
            #expect(key.scopes == ["executions:write"])
            let secret = String(new.text.suffix(APIKeyText.secretLength))
            let rows = try await world.database.query("SELECT * FROM api_keys")
            let audited = try await world.database.query("SELECT detail FROM audit_pending")
            #expect(!"\(rows)\(audited)".contains(secret))
        }
    }

    @Test("that differ anywhere are no keys", arguments: Backend.allCases)
    func differs(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            let text = try await make(world).text
            for index in text.indices {
                var other = text
                other.replaceSubrange(index...index, with: text[index] == "0" ? "1" : "0")
                #expect(try await world.keys.authenticate(other, in: world.database) == nil)
            }
            for other in ["", "pdk_", String(text.dropLast()), text + "0", String(text.prefix(30)), "Ω" + text] {
                #expect(try await world.keys.authenticate(other, in: world.database) == nil)
            }
            #expect(try await world.keys.authenticate(text, in: world.database) != nil)
        }
    }

    @Test("end when they expire, are revoked or made anew", arguments: Backend.allCases)
    func ends(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            let expiring = try await make(world, expiresAt: world.clock.now + 60)
            world.clock.advance(59)
            #expect(try await world.keys.authenticate(expiring.text, in: world.database) != nil)
            world.clock.advance(1)
            #expect(try await world.keys.authenticate(expiring.text, in: world.database) == nil)
            let old = try await make(world)
            let new = try await world.database.transaction(isolation: .readCommitted) {
                try await world.keys.regenerate(old.key.id, by: "test", in: $0)
            }
            #expect(new.key.id == old.key.id)
            #expect(try await world.keys.authenticate(old.text, in: world.database) == nil)
            #expect(try await world.keys.authenticate(new.text, in: world.database) != nil)
            try await world.database.transaction(isolation: .readCommitted) { transaction async throws in
                #expect(try await world.keys.revoke(new.key.id, by: "test", in: transaction))
                #expect(try await world.keys.revoke(new.key.id, by: "test", in: transaction) == false)
            }
            #expect(try await world.keys.authenticate(new.text, in: world.database) == nil)
            await #expect(throws: EntitlementError.self) {
                try await world.database.transaction(isolation: .readCommitted) {
                    try await world.keys.regenerate(new.key.id, by: "test", in: $0)
                }
            }
        }
    }

    @Test("remember when they were used, to the minute", arguments: Backend.allCases)
    func lastUsed(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            let new = try await make(world)
            let first = world.clock.now
            for seconds in [0.0, 30, 29, 2] {
                world.clock.advance(seconds)
                _ = try await world.keys.authenticate(new.text, in: world.database)
            }
            #expect(try await world.keys.find(new.key.id, in: world.database)?.lastUsedAt == first + 61)
        }
    }

    @Test("may do no more than their user", arguments: Backend.allCases)
    func role(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            await #expect(throws: EntitlementError.self) { _ = try await make(world, role: .admin) }
            #expect(try await make(world).key.role == .user)
            await #expect(throws: EntitlementError.self) { _ = try await make(world, expiresAt: .distantPast) }
        }
    }

    @Test("are listed page by page", arguments: Backend.allCases)
    func lists(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            var made: [String] = []
            for _ in 0..<5 { made.append(try await make(world).key.id) }
            var found: [String] = []
            var cursor: String?
            repeat {
                let page = try await world.keys.list(
                    userID: world.user.id, after: cursor, limit: 2, in: world.database)
                found += page.elements.map(\.id)
                cursor = page.nextCursor
            } while cursor != nil
            #expect(found == made.sorted())
        }
    }
}
