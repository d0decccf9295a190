import Testing

@testable import Runner

@Suite("The init's messages in the agent's bytes")
struct ScannerTests {
    private static let nonce = "0123456789abcdef0123456789abcdef"
    private static let message = "\u{1E}\(nonce):QUJD\nREVG.\n"

    private func scan(_ chunks: [[UInt8]], _ scanner: inout MessageScanner) throws -> [UInt8] {
        try chunks.flatMap { try scanner.scan($0[...]).flatMap { $0 } }
    }

    @Test("found wherever the chunks are cut, with every byte before it handed on")
    func everySplit() throws {
        let log = Array("a line\nanother without end\u{1E}0123 not it \u{1E}\u{1E}".utf8)
        let bytes = log + Array(Self.message.utf8)
        for cut in 0...bytes.count {
            var scanner = MessageScanner(tag: Self.nonce, form: .message(limit: 1000))
            let passed = try scan([Array(bytes[..<cut]), Array(bytes[cut...])], &scanner)
            #expect(passed == log)
            #expect(scanner.found.map { String(decoding: $0, as: UTF8.self) } == "QUJD\nREVG")
        }
    }

    @Test("found when each byte comes alone")
    func byteByByte() throws {
        var scanner = MessageScanner(tag: Self.nonce, form: .message(limit: 1000))
        let bytes = Array("log".utf8) + Array(Self.message.utf8)
        #expect(try scan(bytes.map { [$0] }, &scanner) == Array("log".utf8))
        #expect(scanner.found != nil)
    }

    @Test("a line is handed on whole as soon as it is there")
    func nothingHeldBack() throws {
        var scanner = MessageScanner(tag: Self.nonce, form: .message(limit: 1000))
        let line = Array("0123456789abcdef: progress\n".utf8)
        #expect(try scan([line], &scanner) == line)
    }

    @Test("what looks like the mark and breaks off is handed on at the end")
    func flush() throws {
        var scanner = MessageScanner(tag: Self.nonce, form: .message(limit: 1000))
        #expect(try scan([Array("x\u{1E}0123".utf8)], &scanner) == Array("x".utf8))
        #expect(Array(scanner.flush()) == Array("\u{1E}0123".utf8))
    }

    @Test("the mark on stderr has no message")
    func markOnly() throws {
        var scanner = MessageScanner(tag: Self.nonce, form: .markOnly)
        #expect(try scan([Array("err\u{1E}\(Self.nonce)\n".utf8)], &scanner) == Array("err".utf8))
        #expect(scanner.found == [])
    }

    @Test("a message without end is refused")
    func tooLong() throws {
        var scanner = MessageScanner(tag: Self.nonce, form: .message(limit: 10))
        #expect(throws: MessageScanner.TooLong.self) {
            try scanner.scan(Array("\u{1E}\(Self.nonce):AAAAAAAAAAAAAAAA".utf8)[...])
        }
    }

    @Test("a trailer's keys, sections and output are read")
    func trailer() throws {
        let payload = """
            paddock-init 1
            ended signal 9
            stop cpu
            wall_us 1500
            cpu_us 1000
            memory_peak 4096
            oom_kill 1
            pids_max 2
            tmp_free_bytes 0
            output ok
            @output 5
            a\nb\n1

            """
        let trailer = try Trailer(InitMessage(payload: Array(payload.utf8)))
        #expect(trailer.end == .signal(9))
        #expect(trailer.stop == .cpu)
        #expect(trailer.wall == .microseconds(1500))
        #expect(trailer.oomKills == 1)
        #expect(trailer.refusedForks == 2)
        #expect(trailer.tmpFreeInodes == nil)
        #expect(trailer.output == .bytes(Array("a\nb\n1".utf8)))
    }

    @Test(
        "a malformed message is refused",
        arguments: [
            "", "paddock-init 2\n", "paddock-init 1\nended exit 0", "paddock-init 1\n@output 5\nabc\n",
            "ended exit 0\n",
        ])
    func malformed(payload: String) {
        #expect(throws: InitMessage.Malformed.self) { try Trailer(InitMessage(payload: Array(payload.utf8))) }
    }
}
