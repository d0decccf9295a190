import Testing

@testable import Paddock

@Suite("Server-Sent Events")
struct SSEParserTests {
    private func events(_ pieces: [[UInt8]]) throws -> [SSEParser.Event] {
        var parser = SSEParser()
        var events: [SSEParser.Event] = []
        for piece in pieces { try parser.feed(piece) { events.append($0) } }
        return events
    }

    @Test(
        "are read as the standard says",
        arguments: [
            ("data: a\n\n", [SSEParser.Event(data: "a")]),
            ("data:a\r\ndata:  b\r\n\r\n", [SSEParser.Event(data: "a\n b")]),
            ("data: a\r\rdata: b\r\r", [SSEParser.Event(data: "a"), SSEParser.Event(data: "b")]),
            (
                "id: 7\nevent: log\ndata: x\n\ndata: y\n\n",
                [.init(id: "7", name: "log", data: "x"), .init(id: "7", data: "y")]
            ),
            (": comment\n\nevent: none\n\ndata\n\n", [SSEParser.Event(data: "")]),
            ("\u{FEFF}data: bom\n\n", [SSEParser.Event(data: "bom")]),
            ("id: a\0b\nretry: 5\nother: x\ndata: z\n\n", [SSEParser.Event(data: "z")]),
            ("id: 9\nevent: log\ndata: broke off\n", []),
        ])
    func read(_ text: String, _ expected: [SSEParser.Event]) throws {
        let bytes = Array(text.utf8)
        #expect(try events([bytes]) == expected)
        // However they are cut.
        for cut in 0..<bytes.count { #expect(try events([Array(bytes[..<cut]), Array(bytes[cut...])]) == expected) }
        #expect(try events(bytes.map { [$0] }) == expected)
    }
}
