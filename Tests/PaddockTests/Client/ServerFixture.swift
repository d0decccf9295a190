import DockerAPI
import Foundation
import NIOConcurrencyHelpers
import Runner
import Testing

@testable import Paddock

/// `paddock serve` on the real Engine with a state folder and an SQLite file of its own, and one agent that runs the
/// shell script in its variable `SCRIPT`.
final class ServerFixture: Sendable {
    static let agentName = "shell-script"

    private let folder: String
    private let port: Int
    private let state = NIOLockedValueBox<(program: Program?, key: String)>((nil, ""))

    var url: String { "http://127.0.0.1:\(port)" }
    var environment: [String: String] {
        ["PADDOCK_URL": url, "PADDOCK_TOKEN": state.withLockedValue { $0.key }, "PADDOCK_STATE_DIR": folder]
    }

    private init(folder: String) throws {
        self.folder = folder
        port = try Self.freePort()
    }

    static func with(_ body: (ServerFixture) async throws -> Void) async throws {
        try await Fixture.withState { environment in
            let fixture = try ServerFixture(folder: try #require(environment["PADDOCK_STATE_DIR"]))
            let image = "paddock-test-\(UInt32.random(in: 0...UInt32.max)):1"
            try await buildAgent(image)
            do {
                try await fixture.start()
                try await fixture.createAgent(image)
                try await body(fixture)
            } catch {
                await fixture.stop()
                try? await removeAgent(image)
                throw error
            }
            await fixture.stop()
            try await removeAgent(image)
            // The server does not wait for the removal of what it ended last.
            try await Fixture.waitUntilGone(environment)
        }
    }

    private static func buildAgent(_ image: String) async throws {
        try await Fixture.withFolder { folder in
            let file = """
                FROM paddock/busybox:1
                USER 1000
                ENTRYPOINT ["sh", "-c", "eval \\"$SCRIPT\\""]
                """
            try Data(file.utf8).write(to: folder.appending(path: "Dockerfile"))
            let docker = try Program("/usr/bin/env", ["docker", "build", "-q", "-t", image, folder.path()])
            try #require(try await docker.exitCode() == 0, "\(docker.stderr)")
        }
    }

    private static func removeAgent(_ image: String) async throws {
        try await Program("/usr/bin/env", ["docker", "rmi", "-f", image]).exitCode()
    }

    // MARK: The server

    func start() async throws {
        let program = try Program.paddock(
            ["serve"],
            environment: [
                "PADDOCK_STATE_DIR": folder, "PORT": "\(port)", "PADDOCK_REQUEST_LIMIT": "0",
                "PADDOCK_ACCESS_LOG": "false",
                "PADDOCK_NODE_STOP_TIMEOUT": "60s", "PADDOCK_WEBHOOKS_ALLOW_HTTP": "true",
                "PADDOCK_EGRESS_ALLOW_PRIVATE": "127.0.0.0/8",
            ])
        state.withLockedValue { $0.program = program }
        if state.withLockedValue({ $0.key.isEmpty }) {
            try await program.wait(for: "the first key") { program.stderr.contains("/first-admin.key") }
            // In no log: stdout is no terminal.
            #expect(!program.stdout.contains("pdk_") && !program.stderr.contains("pdk_"))
            let file = try String(contentsOfFile: folder + "/first-admin.key", encoding: .utf8)
            state.withLockedValue { $0.key = file.trimmingCharacters(in: .whitespacesAndNewlines) }
        }
        try await program.wait(for: "the server") {
            program.stderr.contains("\"serving\"") || program.stdout.contains("\"serving\"")
        }
    }

    /// As a machine that loses its power.
    func kill() async throws {
        guard let program = state.withLockedValue({ $0.program }) else { return }
        program.signal(SIGKILL)
        try await program.exitCode()
    }

    private func stop() async {
        guard let program = state.withLockedValue({ $0.program }), program.isRunning else { return }
        program.signal(SIGTERM)
        _ = try? await program.exitCode()
    }

    /// Waits until somebody has a request that is not answered, beside this question itself.
    func waitForRequest() async throws {
        let start = ContinuousClock.now
        while true {
            let curl = try Program("/usr/bin/curl", ["--silent", url + "/metrics"])
            try await curl.exitCode()
            if curl.stdout.contains("\npaddock_http_requests_active 2") { return }
            guard start.duration(to: .now) < Program.deadline else {
                throw Program.TimedOut(waitingFor: "a request", stdout: curl.stdout, stderr: curl.stderr)
            }
        }
    }

    func server() throws -> Server { try Server(environment: environment) }

    private func createAgent(_ image: String) async throws {
        let server = try server()
        let fields: [String: JSONValue] = [
            "name": .string(Self.agentName), "description": .string("Runs the script in its variable SCRIPT."),
            "category": .string("UTILITY"), "price": .string("0"), "priceToken": .string("USD"),
            "dockerImage": .string(image),
        ]
        _ = try await server.send(try server.request("POST", "/agents", body: .object(fields)), retries: true)
        // Beyond what a user of the first tier may have.
        let access: [String: JSONValue] = [
            "tier": .integer(3), "executionsPerHour": .integer(1000), "executionsPerDay": .integer(1000),
        ]
        _ = try await server.send(
            try server.request("PUT", "/users/usr_admin/access", body: .object(access)), retries: true)
    }

    // MARK: The commands

    func paddock(_ arguments: String...) throws -> Program {
        try Program.paddock(arguments, environment: environment)
    }

    /// Runs a command to its end.
    func run(_ arguments: String...) async throws -> (code: Int32, stdout: String, stderr: String) {
        let program = try Program.paddock(arguments, environment: environment)
        let code = try await program.exitCode()
        return (code, program.stdout, program.stderr)
    }

    /// - Returns: the id.
    func submit(_ script: String, _ more: String...) async throws -> String {
        let program = try Program.paddock(
            ["submit", Self.agentName, "--env", "SCRIPT=\(script)"] + more, environment: environment)
        try #require(try await program.exitCode() == 0, "\(program.stderr)")
        return program.stdout.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private static func freePort() throws -> Int {
        let socket = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        return try withUnsafeMutablePointer(to: &address) { pointer in
            let isBound = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(socket, generic, length) == 0 && getsockname(socket, generic, &length) == 0
            }
            try #require(isBound)
            return Int(UInt16(bigEndian: pointer.pointee.sin_port))
        }
    }
}
