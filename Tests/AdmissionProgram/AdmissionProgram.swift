import DatabaseFixtures
import Entitlements
import Foundation
import Glibc
import Logging
import Storage

/// Decisions in a process of their own.
///
/// - `AdmissionProgram flood URL USER AGENT COUNT TASKS` submits that often, and prints how many were admitted.
/// - `AdmissionProgram churn URL USER AGENT [STEP]` admits, settles and refunds until it is killed, or kills itself at
///   that step of its first round.
/// - `AdmissionProgram bench|queue sqlite|postgres` measures; see Benchmarks/run.
@main
enum AdmissionProgram {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        switch (arguments.first, arguments.count) {
        case ("flood", 6):
            guard let count = Int(arguments[4]), let tasks = Int(arguments[5]) else { exit(2) }
            try await with(arguments[1]) {
                try await flood($0, user: arguments[2], agent: arguments[3], count: count, tasks: tasks)
            }
        case ("churn", 4), ("churn", 5):
            try await with(arguments[1]) {
                let step = arguments.count == 5 ? Churn.Step(rawValue: arguments[4]) : nil
                try await Churn(database: $0, user: arguments[2], agent: arguments[3], last: step).run()
            }
        case ("bench", 2):
            guard let backend = Backend(rawValue: arguments[1]) else { exit(2) }
            try await Bench.run(backend)
        case ("queue", 2):
            guard let backend = Backend(rawValue: arguments[1]) else { exit(2) }
            try await QueueBench.run(backend)
        default: exit(2)
        }
    }

    private static func with(_ url: String, _ body: (Database) async throws -> Void) async throws {
        var configuration = Database.Configuration()
        configuration.acquireTimeout = .seconds(60)
        let location = try DatabaseLocation(url: url, stateFolder: "/")
        let database = Database(
            location, configuration: configuration, logger: Logger(label: "admission") { _ in SwiftLogNoOpLogHandler() }
        )
        try await body(database)
        await database.close()
    }

    private static func flood(
        _ database: Database, user: String, agent: String, count: Int, tasks: Int
    ) async throws {
        let admission = Admission()
        let admitted = try await withThrowingTaskGroup(of: Int.self) { group in
            for task in 0..<tasks {
                group.addTask {
                    var admitted = 0
                    for _ in stride(from: task, to: count, by: tasks) {
                        let request = AdmissionRequest(
                            executionID: Identifier.make("exe_"), userID: user, agentID: agent)
                        if case .admitted = try await admission.admit(request, on: database, ticket: { _ in "{}" }) {
                            admitted += 1
                        }
                    }
                    return admitted
                }
            }
            return try await group.reduce(0, +)
        }
        print(admitted)
    }
}
