import DockerAPI
import Testing

@testable import Runner

@Suite("The recorder's lines in an agent's log")
struct RecordingTests {
    /// Writes parts to a recording sink and returns what the agent's log holds.
    private func log(
        of parts: [(LogStream, String)], _ sink: RecordingSink, _ log: CollectingSink
    ) async throws -> String {
        for (stream, text) in parts { try await sink.write(Array(text.utf8)[...], to: stream) }
        try await sink.flush()
        return log.text
    }

    @Test("they are taken out wherever they stand, and the rest is passed on", arguments: [1, 2, 7, 1000])
    func takesOut(size: Int) async throws {
        let log = CollectingSink()
        let sink = RecordingSink(passingOnTo: log)
        let read = try #require(SyscallTable.number(of: "read"))
        let socket = try #require(SyscallTable.number(of: "socket"))
        let m = sink.marker
        let text =
            "\(m) ready 0 0 0\none \(m) call \(read) 0 0\ntwo\n\(m) call \(socket) 0 0\n\(m) detail \(socket) 1 2\n"
            + "\(m.prefix(20))\nthree \(m.prefix(5))"
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            try await sink.write(bytes[start..<min(start + size, bytes.count)], to: .stderr)
        }
        try await sink.flush()
        #expect(log.text == "one two\n\(m.prefix(20))\nthree \(m.prefix(5))")
        #expect(sink.recorder == .ready)
        #expect(sink.calls.names == ["read", "socket"])
        #expect(sink.calls.details == [.init(call: "socket", first: 1, second: 2)])
    }

    @Test("stdout is left alone, also between the parts of a line")
    func stdout() async throws {
        let log = CollectingSink()
        let sink = RecordingSink(passingOnTo: log)
        let m = sink.marker
        let parts: [(LogStream, String)] = [
            (.stderr, "\(m) unavail"), (.stdout, "\(m) out\n"), (.stderr, "able 22 0 0\nerr\n"),
        ]
        #expect(try await self.log(of: parts, sink, log) == "\(m) out\nerr\n")
        #expect(sink.recorder == .unavailable(errno: 22))
    }

    @Test("a line of another's, or one that says nothing, is no call")
    func odd() async throws {
        let log = CollectingSink()
        let sink = RecordingSink(passingOnTo: log)
        let parts: [(LogStream, String)] = [
            (.stderr, "\(sink.marker) call x y z\n\(sink.marker)\n"),
            (.stderr, "\(LaunchFrame.makeNonce()) call 0 0 0\n"),
        ]
        _ = try await self.log(of: parts, sink, log)
        #expect(sink.calls == RecordedCalls())
        #expect(sink.recorder == .silent)
    }
}
