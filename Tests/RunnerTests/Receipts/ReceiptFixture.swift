import DockerAPI
import Entitlements
import Foundation

@testable import Runner

/// A receipt of an execution that never was, with a value in every field.
enum ReceiptFixture {
    static func receipt(finishedAt: Date = Date(timeIntervalSince1970: 1_795_000_000.5)) throws -> Receipt {
        var limits = LimitsRequest()
        limits.cpuSeconds = 30
        var execution = Execution(
            id: ExecutionID(), agentID: "agt_1", userID: "usr_1", image: "sha256:" + String(repeating: "ab", count: 32),
            status: .failed, createdAt: finishedAt - 2, limits: try limits.resolved())
        execution.reason = .memoryLimit
        execution.exitCode = 137
        execution.signal = "SIGKILL"
        execution.startedAt = finishedAt - 1
        execution.finishedAt = finishedAt
        execution.runtime = "runc"
        execution.network = .init(mode: "allowlist", allow: ["example.com:443"], connections: [], droppedConnections: 0)
        execution.usage.wallMs = 812
        execution.notes = [.init(code: .pidsLimit, message: "refused 3 more processes at the limit of 128")]
        execution.output = .object(["n": .number(0.5)])
        var log = LogDigest()
        log.update(Array("out\n".utf8)[...], of: .stdout)
        log.update(Array("err\n".utf8)[...], of: .stderr)
        var policy = PolicyEvidence()
        policy.asked = ["CapEff": "0", "seccomp profile": "sha256:0"]
        policy.held = ["CapEff": "0"]
        return try Receipt(
            of: execution, input: Array(#"{"a": 1}"#.utf8), log: log.log(droppedBytes: 7), policy: policy,
            audit: AuditHead(sequence: 41, hash: String(repeating: "cd", count: 32)))
    }

    /// An empty folder, removed afterwards.
    static func withFolder<Result>(_ body: (String) async throws -> Result) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "paddock-keys-\(UUID().uuidString)").path()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return try await body(folder)
    }
}

extension JSONValue {
    /// This value with one thing changed in it, in every way: each with the path of what was changed.
    var tamperings: [(path: String, value: JSONValue)] {
        switch self {
        case .null: return [("", .integer(0)), ("", .string("")), ("", .bool(false))]
        case .bool(let value): return [("", .bool(!value)), ("", .null)]
        case .integer(let value): return [("", .integer(value + 1)), ("", .string(String(value))), ("", .null)]
        case .number(let value): return [("", .number(value.nextUp)), ("", .null)]
        case .string(let value): return [("", .string(value + " ")), ("", .string(value + "\u{301}")), ("", .null)]
        case .array(let items):
            let inner = items.indices.flatMap { index in
                items[index].tamperings.map { change in
                    var items = items
                    items[index] = change.value
                    return ("[\(index)]" + change.path, JSONValue.array(items))
                }
            }
            return inner
                + [("", .array(items + [.null])), ("", .array(items.dropLast())), ("", .null)].filter {
                    $0.1 != self
                }
        case .object(let members):
            let inner = members.keys.flatMap { key in
                (members[key] ?? .null).tamperings.map { change in
                    (".\(key)" + change.path, JSONValue.object(members.merging([key: change.value]) { $1 }))
                }
            }
            let removed = members.keys.map { key in (".\(key)", JSONValue.object(members.filter { $0.key != key })) }
            return inner + removed + [("", .object(members.merging(["extra": .null]) { $1 }))]
        }
    }
}
