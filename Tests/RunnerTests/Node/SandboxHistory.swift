import DockerAPI
import Foundation
import NIOConcurrencyHelpers

@testable import Runner

/// The sandboxes that an Engine has started for one state folder, as the Engine itself tells it.
final class SandboxHistory: Sendable {
    struct Sandbox: Sendable {
        let id: String
        let execution: String
        /// `EXECUTION.FENCE`.
        let name: String
        let startedAt: Int64
        var endedAt: Int64?
    }

    private let all = NIOLockedValueBox<[Sandbox]>([])
    private let stateID: String

    init(stateID: String) { self.stateID = stateID }

    /// Listens to the Engine, and to its successors, for as long as the body runs.
    func record<Result>(
        of client: DockerClient, _ body: () async throws -> Result
    ) async throws -> Result {
        // Listening when this returns: nothing that the body does is missed.
        let first = try await events(of: client)
        let listening = Task {
            try? await take(first)
            while !Task.isCancelled {
                try await Task.sleep(for: .milliseconds(50))
                try? await take(events(of: client))
            }
        }
        defer { listening.cancel() }
        return try await body()
    }

    private func events(of client: DockerClient) async throws -> JSONLines<EngineEvent> {
        try await client.events(
            filters: ["type": ["container"], "label": ["\(RunnerHost.Label.state)=\(stateID)"]])
    }

    private func take(_ events: JSONLines<EngineEvent>) async throws {
        for try await event in events {
            guard let attributes = event.actor.attributes, let execution = attributes[RunnerHost.Label.execution]
            else { continue }
            let time = event.timeNano ?? 0
            all.withLockedValue { all in
                switch event.action {
                case "start":
                    all.append(
                        Sandbox(
                            id: event.actor.id, execution: execution, name: attributes["name"] ?? "", startedAt: time))
                case "die", "destroy":
                    for index in all.indices where all[index].id == event.actor.id {
                        all[index].endedAt = all[index].endedAt ?? time
                    }
                default: break
                }
            }
        }
    }

    var sandboxes: [Sandbox] { all.withLockedValue { $0 } }

    func sandboxes(of execution: ExecutionID) -> [Sandbox] {
        sandboxes.filter { $0.execution == execution.description }
    }

    /// Pairs of sandboxes of one execution that ran at the same time.
    var overlaps: [String] {
        Dictionary(grouping: sandboxes, by: \.execution).flatMap { _, sandboxes in
            let sorted = sandboxes.sorted { $0.startedAt < $1.startedAt }
            return zip(sorted, sorted.dropFirst()).compactMap { first, second in
                (first.endedAt ?? .max) > second.startedAt ? "\(first.name) and \(second.name)" : nil
            }
        }
    }
}
