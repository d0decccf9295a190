import DockerAPI
import Foundation
import Glibc
import NIOConcurrencyHelpers
public import Storage

/// Whether this process can do its work: what an orchestrator asks before it sends somebody here.
public final class Readiness: Sendable {
    /// One thing that is needed.
    public struct Check: Sendable, Encodable {
        public let isUsable: Bool
        /// What is there, or what is wrong.
        public let detail: String

        private enum CodingKeys: String, CodingKey {
            case status, message
        }

        public func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(isUsable ? "ok" : "failed", forKey: .status)
            try container.encode(detail, forKey: .message)
        }
    }

    public struct Report: Sendable, Encodable {
        /// By name: `database`, `engine`, `disk`.
        public let checks: [String: Check]
        public let isStopping: Bool

        public var isReady: Bool { !isStopping && checks.values.allSatisfy(\.isUsable) }

        private enum CodingKeys: String, CodingKey {
            case status, checks
        }

        public func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(isStopping ? "stopping" : isReady ? "ready" : "not_ready", forKey: .status)
            try container.encode(checks, forKey: .checks)
        }
    }

    /// For each check. A probe that waits longer has given up.
    private static let limit: Duration = .seconds(3)
    /// A report is good for so long: who asks often costs no more.
    private static let freshness: Duration = .seconds(1)
    /// Below this the state folder is as good as full: a sandbox's files and SQLite's log would not fit.
    private static let leastFree: UInt64 = 64 << 20

    private struct State {
        var isStopping = false
        var last: (at: ContinuousClock.Instant, checks: [String: Check])?
        var running: Task<[String: Check], Never>?
    }

    private let database: Database
    private let host: RunnerHost
    private let state = NIOLockedValueBox(State())

    public init(database: Database, host: RunnerHost) {
        self.database = database
        self.host = host
    }

    /// From now on nothing new should come here.
    public func stop() { state.withLockedValue { $0.isStopping = true } }

    public func report() async -> Report {
        let (isStopping, checks) = state.withLockedValue { state -> (Bool, Result<[String: Check], Pending>) in
            if let last = state.last, ContinuousClock.now - last.at < Self.freshness {
                return (state.isStopping, .success(last.checks))
            }
            let task = state.running ?? Task { await self.check() }
            state.running = task
            return (state.isStopping, .failure(Pending(task: task)))
        }
        switch checks {
        case .success(let checks): return Report(checks: checks, isStopping: isStopping)
        case .failure(let pending): return Report(checks: await pending.task.value, isStopping: isStopping)
        }
    }

    private struct Pending: Error {
        let task: Task<[String: Check], Never>
    }

    private func check() async -> [String: Check] {
        async let database = Self.within(Self.limit) { [database] in
            _ = try await database.query("SELECT 1 AS one")
            return "answers"
        }
        async let engine = Self.within(Self.limit) { [host] in "speaks API \(try await host.client.ping())" }
        let checks = ["database": await database, "engine": await engine, "disk": disk()]
        state.withLockedValue { state in
            state.last = (.now, checks)
            state.running = nil
        }
        return checks
    }

    /// The state folder, and where the database's file is elsewhere, that.
    private func disk() -> Check {
        let state = Self.disk(at: host.folder.path, "the state folder")
        guard state.isUsable, let folder = database.folder, folder != host.folder.path else { return state }
        let other = Self.disk(at: folder, "the database's folder")
        return other.isUsable ? state : other
    }

    private static func disk(at path: String, _ name: String) -> Check {
        var stats = statvfs()
        guard statvfs(path, &stats) == 0 else {
            return Check(isUsable: false, detail: "\(name) cannot be looked at: \(Errno.last)")
        }
        let free = UInt64(stats.f_bavail) * UInt64(stats.f_frsize)
        return Check(isUsable: free >= leastFree, detail: "\(free >> 20) MiB free in \(name)")
    }

    private static func within(
        _ limit: Duration, _ probe: @escaping @Sendable () async throws -> String
    ) async -> Check {
        await withTaskGroup(of: Check.self) { group in
            group.addTask {
                do {
                    return Check(isUsable: true, detail: try await probe())
                } catch let error as DatabaseError {
                    return Check(isUsable: false, detail: "\(error.code)")
                } catch let error as DockerError {
                    return Check(isUsable: false, detail: error.message)
                } catch {
                    return Check(isUsable: false, detail: "did not answer within \(limit)")
                }
            }
            group.addTask {
                try? await Task.sleep(for: limit)
                return Check(isUsable: false, detail: "did not answer within \(limit)")
            }
            defer { group.cancelAll() }
            return await group.next() ?? Check(isUsable: false, detail: "was not looked at")
        }
    }
}
