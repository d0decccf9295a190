import Dispatch
import DockerAPI
import Foundation
import Glibc
import Logging
import Runner
import Storage

/// A node as a process of its own, for tests that kill it: `NodeProgram DATABASE_URL SECONDS [pool]`, with the state folder in
/// `PADDOCK_STATE_DIR`. SIGTERM stops it, and what runs then may go on for that many seconds.
@main
enum NodeProgram {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard (3...4).contains(arguments.count), let seconds = Double(arguments[2]) else { exit(2) }
        let folder = try StateFolder(environment: ProcessInfo.processInfo.environment)
        let logger = Logger(label: "node")
        let location = try DatabaseLocation(url: arguments[1], stateFolder: "/")
        let database = Database(location, logger: logger)
        try await database.migrate()
        let host = try DockerClient.Configuration(dockerHost: ProcessInfo.processInfo.environment["DOCKER_HOST"])
        try await DockerClient.withClient(host) { client in
            var configuration = Node.Configuration()
            configuration.reconcileInterval = .seconds(1)
            configuration.stopLimit = .seconds(seconds)
            if arguments.last == "pool" { configuration.pool = SandboxPool.Configuration() }
            let runner = try RunnerHost(client: client, folder: folder)
            let node = Node(
                host: runner, database: database, configuration: configuration,
                logger: logger)
            signal(SIGTERM, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: SIGTERM, queue: .global())
            source.setEventHandler { @Sendable in node.stop() }
            source.resume()
            try await node.run()
            // What still runs is the next one's: leave without waiting for it.
            _exit(0)
        }
    }
}
