import Testing

@testable import Runner

@Suite("The launch frame")
struct FrameTests {
    private func frame() -> LaunchFrame {
        LaunchFrame(
            nonce: LaunchFrame.makeNonce(), arguments: ["sh"], environment: ["A=b"], workingDirectory: "/",
            outputLimit: 1024, backstop: .seconds(70), cpuLimit: nil, endsWithRunner: true, input: Array("{}".utf8))
    }

    /// The records of a body: type and bytes.
    private func records(_ bytes: [UInt8]) -> [(Character, [UInt8])] {
        var rest = bytes[8...].dropLast(2)
        var result: [(Character, [UInt8])] = []
        while let type = rest.popFirst() {
            let length = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(4)
            result.append((Character(Unicode.Scalar(type)), Array(rest.prefix(length))))
            rest = rest.dropFirst(length)
        }
        return result
    }

    @Test("is head, records and input, as docs/sandbox-init.md says")
    func layout() throws {
        var frame = frame()
        frame.cpuLimit = .milliseconds(1500)
        frame.secrets = [("KEY", [1, 2])]
        let bytes = try frame.serialized()
        #expect(bytes.starts(with: Array("PDK1".utf8)))
        #expect(bytes.suffix(2) == Array("{}".utf8)[...])
        let records = records(bytes)
        #expect(records.map(\.0) == ["n", "a", "e", "w", "o", "i", "d", "c", "h", "s"])
        #expect(records[1].1 == Array("sh\0".utf8))
        #expect(records[4].1 == [0, 4, 0, 0, 0, 0, 0, 0])
        #expect(records[7].1 == [0xDC, 5, 0, 0, 0, 0, 0, 0])
        #expect(records[9].1 == Array("KEY\0".utf8) + [1, 2])
    }

    @Test("nonces are 32 hexadecimal digits and never the same")
    func nonces() {
        let nonces = (0..<100).map { _ in LaunchFrame.makeNonce() }
        #expect(Set(nonces).count == 100)
        #expect(nonces.allSatisfy { $0.count == 32 && $0.allSatisfy(\.isHexDigit) })
    }

    @Test("what no program can be given is refused")
    func refused() {
        var withNUL = frame()
        withNUL.arguments = ["a\0b"]
        #expect(throws: LaunchFrame.Invalid.self) { try withNUL.serialized() }
        var tooLarge = frame()
        tooLarge.environment = [String(repeating: "x", count: LaunchFrame.bodyLimit)]
        #expect(throws: LaunchFrame.Invalid.self) { try tooLarge.serialized() }
        var tooMany = frame()
        tooMany.arguments = Array(repeating: "x", count: 1025)
        #expect(throws: LaunchFrame.Invalid.self) { try tooMany.serialized() }
    }

    @Test("ids are UUIDv7 in base 32, and sort by time")
    func ids() async throws {
        let first = ExecutionID()
        try await Task.sleep(for: .milliseconds(2))
        let second = ExecutionID()
        #expect(first.description < second.description)
        #expect(first.description.wholeMatch(of: /exe_[0-7][0-9a-hjkmnp-tv-z]{25}/) != nil)
    }
}
