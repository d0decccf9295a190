import Dispatch
import DockerAPI
import Foundation
import Glibc
import Logging
import Runner
import Storage

/// A node as a process of its own, for tests that kill it: `NodeProgram DATABASE_URL SECONDS`, with the state folder in
/// `PADDOCK_STATE_DIR`. SIGTERM stops it, and what runs then may go on for that many seconds; a second one ends it at
/// once. Besides, from the environment:
///
/// - `NODE_CRASH_AT`: an `ExecutionStep` at which it kills itself, or `logStored`: when the first record is stored
/// - `NODE_LEASE`: seconds
/// - `NODE_SLOTS`: executions at once
/// - `NODE_POOL`: anything: sandboxes are prepared ahead
@main
enum NodeProgram {
    static func main() async throws {
        let arguments = CommandLine.arguments
        let environment = ProcessInfo.processInfo.environment
        guard arguments.count == 3, let seconds = Double(arguments[2]) else { exit(2) }
        let logger = Logger(label: "node")
        let folder = try StateFolder(environment: environment)
        let location = try DatabaseLocation(url: arguments[1], stateFolder: "/")
        let database = Database(location, logger: logger)
        try await migrate(database, logger)
        let host = try DockerClient.Configuration(dockerHost: environment["DOCKER_HOST"])
        try await DockerClient.withClient(host) { client in
            var configuration = Node.Configuration()
            configuration.reconcileInterval = .seconds(1)
            configuration.stopLimit = .seconds(seconds)
            if let lease = environment["NODE_LEASE"].flatMap(Double.init) {
                configuration.queue.lease = .seconds(lease)
            }
            if let slots = environment["NODE_SLOTS"].flatMap(Int.init) { configuration.slots = slots }
            if let point = environment["NODE_CRASH_AT"] { configuration.watch = watch(for: point, database) }
            if environment["NODE_POOL"] != nil { configuration.pool = SandboxPool.Configuration() }
            let node = Node(
                host: try RunnerHost(client: client, folder: folder), database: database,
                configuration: configuration, logger: logger)
            signal(SIGTERM, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: SIGTERM, queue: .global())
            source.setEventHandler { @Sendable in node.stop() }
            source.resume()
            try await node.run()
            // What still runs is the next one's: leave without waiting for it.
            _exit(0)
        }
    }

    /// A database may be away just now, or another node at the same.
    private static func migrate(_ database: Database, _ logger: Logger) async throws {
        for _ in 0..<20 {
            do {
                try await database.migrate()
                return
            } catch let error as DatabaseError where [.databaseUnavailable, .databaseBusy].contains(error.code) {
                logger.warning("waiting for the database", metadata: ["error": "\(error)"])
            }
        }
        try await database.migrate()
    }

    /// Kills this process at a point of the first execution that comes to it.
    private static func watch(for point: String, _ database: Database) -> Node.StepWatch {
        guard point == "logStored" else {
            guard let fatal = ExecutionStep(rawValue: point) else { exit(2) }
            return { step, _ in if step == fatal { die() } }
        }
        return { step, id in
            guard step == .frameSent, let execution = ExecutionID(id) else { return }
            Task {
                let stored = LogRepository(database)
                // One that cannot be read just now is asked again: a test waits for the end of this process.
                while (try? await stored.position(of: execution).offset) ?? 0 == 0 {
                    try await Task.sleep(for: .milliseconds(1))
                }
                die()
            }
        }
    }

    private static func die() {
        kill(getpid(), SIGKILL)
        // The signal ends every thread, this one at its next step at the latest.
        while true { pause() }
    }
}
