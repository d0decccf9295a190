import DatabaseFixtures
import Foundation
import NIOConcurrencyHelpers
import Storage
import Testing

@testable import Runner

/// A database with executions that have webhooks, and a receiver in Python.
struct WebhookFixture: Sendable {
    static let user = "usr_a"

    let database: Database
    let receiver: WebhookReceiver
    let webhooks: Webhooks

    static func with(_ backend: Backend, _ body: (WebhookFixture) async throws -> Void) async throws {
        try await backend.withDatabase { database in
            try await database.migrate()
            let webhooks = Webhooks(database)
            let receiver = try await WebhookReceiver(secret: try await webhooks.secret(of: user).description)
            defer { receiver.stop() }
            try await body(WebhookFixture(database: database, receiver: receiver, webhooks: webhooks))
        }
    }

    func url(_ path: String, host: String = "127.0.0.1") -> String { "http://\(host):\(receiver.port)/\(path)" }

    /// An execution that has not ended.
    func submit(_ url: String, user: String = user, trace: TraceContext? = nil) async throws -> String {
        let id = ExecutionID().description
        let webhook = try WebhookURL(url, allowsHTTP: true)
        try await database.transaction { transaction in
            try await ExecutionQueue().submit(
                .init(id: id, userID: user, agentID: nil, request: "{}", patience: .seconds(600)), in: transaction)
            try await Webhooks.register(webhook, for: id, userID: user, trace: trace, in: transaction)
        }
        return id
    }

    func end(_ id: String) async throws {
        try await database.transaction(isolation: .readCommitted) { transaction in
            try await transaction.execute(
                """
                UPDATE executions SET state = 'succeeded', ending = \(#"{"id":"\#(id)","message":"ä"}"#),
                    finished_at = \(.now)
                WHERE id = \(id)
                """)
            try await Webhooks.enqueue(id, in: transaction)
        }
    }

    func ended(_ url: String, user: String = user, trace: TraceContext? = nil) async throws -> String {
        let id = try await submit(url, user: user, trace: trace)
        try await end(id)
        return id
    }

    static func configuration(
        _ change: (inout WebhookSender.Configuration) -> Void = { _ in }
    ) throws -> WebhookSender.Configuration {
        var configuration = WebhookSender.Configuration()
        configuration.allowsHTTP = true
        configuration.allowPrivate = [try AddressRange("127.0.0.0/8")]
        configuration.pauses = [.milliseconds(20), .milliseconds(20)]
        configuration.interval = .milliseconds(20)
        change(&configuration)
        return configuration
    }

    func withSender(
        resolver: any EgressResolver = StubResolver([:]),
        _ change: (inout WebhookSender.Configuration) -> Void = { _ in },
        _ body: () async throws -> Void
    ) async throws {
        let sender = WebhookSender(
            database, configuration: try Self.configuration(change), resolver: resolver, logger: .silent)
        let running = Task { await sender.run() }
        do {
            try await body()
        } catch {
            running.cancel()
            await running.value
            throw error
        }
        running.cancel()
        await running.value
    }

    func delivery(_ id: String) async throws -> WebhookDelivery {
        try #require(try await webhooks.delivery(of: id))
    }

    /// Waits until it is delivered or given up.
    func settled(_ id: String) async throws -> WebhookDelivery {
        try await eventually { try await delivery(id).finishedAt != nil }
        return try await delivery(id)
    }
}

extension WebhookFixture {
    /// Waits until the receiver has told of so many: it does so after its answer, which the sender knows of first.
    func received(
        _ count: Int, _ areWanted: (WebhookReceiver.Request) -> Bool = { _ in true }
    ) async throws
        -> [WebhookReceiver.Request]
    {
        try await eventually { receiver.requests.count(where: areWanted) >= count }
        return receiver.requests.filter(areWanted)
    }
}

/// `receiver.py`, and what it has received.
final class WebhookReceiver: Sendable {
    struct Request: Decodable, Sendable {
        let path: String
        let signed: Bool
        /// What Standard Webhooks' own library says; nil where it is not installed.
        let library: Bool?
        let headers: [String: String]
        let body: String
    }

    let port: Int
    private let process: Process
    private let input: Pipe
    private let box: NIOLockedValueBox<[Request]>

    var requests: [Request] { box.withLockedValue { $0 } }

    /// - Parameter tls: files of a certificate and its key.
    init(secret: String, tls: (certificate: String, key: String)? = nil) async throws {
        let output = Pipe()
        input = Pipe()
        process = Process()
        // With the Python packages that scripts/setup.sh installs, where it has.
        let own = URL(filePath: #filePath).deletingLastPathComponent().appending(
            path: "../../../.build/python/bin/python")
        let hasOwn = FileManager.default.isExecutableFile(atPath: own.path)
        process.executableURL = hasOwn ? own : URL(filePath: "/usr/bin/python3")
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "receiver.py").path
        process.arguments = [script, secret] + (tls.map { [$0.certificate, $0.key] } ?? [])
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        let found = NIOLockedValueBox<[Request]>([])
        box = found
        let handle = output.fileHandleForReading
        port = await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                var rest = Data()
                var waiter: CheckedContinuation<Int, Never>? = continuation
                while true {
                    let more = handle.availableData
                    if more.isEmpty { break }
                    rest += more
                    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                        let line = Data(rest[..<end])
                        rest = Data(rest[(end + 1)...])
                        if let first = waiter {
                            waiter = nil
                            first.resume(returning: Int(String(decoding: line, as: UTF8.self)) ?? 0)
                        } else if let request = try? JSONDecoder().decode(Request.self, from: line) {
                            found.withLockedValue { $0.append(request) }
                        }
                    }
                }
                waiter?.resume(returning: 0)
            }
        }
    }

    func stop() {
        try? input.fileHandleForWriting.close()
        process.terminate()
        process.waitUntilExit()
    }
}
