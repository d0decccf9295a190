import DockerAPI
import Entitlements
import Foundation
import Storage
import Testing

@testable import Runner

/// An agent that writes numbered lines, so that its log shows what is missing, twice there, or out of order.
struct NumberedAgent: Sendable {
    var lines = 300
    /// After each hundredth line.
    var pause = 0.4
    /// Waits for ``NodeFixture/letGo(_:)`` behind its first hundred lines.
    var waits = false

    /// What a script that waits begins with.
    static let listens = "go=; trap 'go=1' USR1"
    /// Waits, in a script, for ``NodeFixture/letGo(_:)``. The shell tells of a `sleep` that the signal has ended.
    static let waiting = #"{ until [ "$go" ]; do sleep 0.2; done; } 2> /dev/null"#

    var script: String {
        """
        \(Self.listens)
        i=0
        while [ $i -lt \(lines) ]; do
            i=$((i + 1)); echo $i
            \(waits ? "[ $i != 100 ] || \(Self.waiting)" : "")
            [ $((i % 100)) != 0 ] || sleep \(pause)
        done
        echo problem >&2
        echo '{"lines": \(lines)}' > $OUTPUT
        echo end
        """
    }

    var stdout: String { (1...lines).map { "\($0)\n" }.joined() + "end\n" }

    /// Ended as it would have without any fault, with all that it wrote.
    func expectSucceeded(
        _ id: ExecutionID, _ fixture: NodeFixture, _ ending: [String: Any],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let hint = Comment(rawValue: "\(id): \(ending)")
        #expect(ending["status"] as? String == "succeeded", hint, sourceLocation: sourceLocation)
        #expect(ending["output"] as? [String: Int] == ["lines": lines], hint, sourceLocation: sourceLocation)
        let records = try await fixture.log(id)
        #expect(records.isWhole(), hint, sourceLocation: sourceLocation)
        #expect(records.text(of: .stdout) == stdout, hint, sourceLocation: sourceLocation)
        #expect(records.text(of: .stderr) == "problem\n", hint, sourceLocation: sourceLocation)
        let bytes = stdout.utf8.count + "problem\n".utf8.count
        let usage = try await fixture.database.query(
            "SELECT log_bytes FROM execution_usage WHERE execution_id = \(id.description)")
        #expect(try usage.map { try $0["log_bytes"] as Int } == [bytes], hint, sourceLocation: sourceLocation)
    }

    /// Ended as `lost`, and its log is a beginning of what it wrote.
    func expectLost(
        _ id: ExecutionID, _ fixture: NodeFixture, _ ending: [String: Any],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let hint = Comment(rawValue: "\(id): \(ending)")
        #expect(ending["status"] as? String == "lost", hint, sourceLocation: sourceLocation)
        #expect(ending["reason"] as? String == "runner_lost", hint, sourceLocation: sourceLocation)
        let records = try await fixture.log(id)
        #expect(stdout.hasPrefix(records.text(of: .stdout)), hint, sourceLocation: sourceLocation)
        #expect("problem\n".hasPrefix(records.text(of: .stderr)), hint, sourceLocation: sourceLocation)
    }
}

extension [LogRecord] {
    func text(of stream: LogStream) -> String { String(decoding: bytes(of: stream), as: UTF8.self) }
}
