import Testing

@testable import DockerAPI

@Suite("JSON lines", .timeLimit(.minutes(5)))
struct JSONLineTests {
    private struct Line: Decodable, Sendable, Equatable {
        let number: Int
        var words: String?
    }

    /// Reads what the Engine sends in these chunks.
    private struct Reader {
        let client: DockerClient
        let stub: StubEngine

        func lines(_ pieces: [[UInt8]], then ending: [StubEngine.Response.Step]? = nil) async throws -> [Line] {
            stub.answer { _ in .chunked(pieces, then: ending) }
            let response = try await client.send(client.request("GET", "/lines", wait: .stream))
            return try await drain(JSONLines<Line>(bytes: response.body, operation: "test"))
        }
    }

    private func withReader(_ body: (Reader) async throws -> Void) async throws {
        try await StubEngine.withClient { try await body(Reader(client: $0, stub: $1)) }
    }

    private static let text = "{\"Number\":1}\r\n\r\n{\"number\":2,\"words\":\"ü\\n\"}\n\n \r\n{\"Number\":3}".bytes
    private static let expected = [Line(number: 1), Line(number: 2, words: "ü\n"), Line(number: 3)]

    @Test("Lines survive a cut at any place, blank lines are none, and the last needs no line end")
    func everyCut() async throws {
        try await withReader { reader in
            for ending in ["", "\n", "\r\n", "\r\n\r\n"] {
                let all = Self.text + ending.bytes
                for cut in 0...all.count {
                    let lines = try await reader.lines([Array(all[..<cut]), Array(all[cut...])])
                    #expect(lines == Self.expected, "cut at \(cut)")
                }
                #expect(try await reader.lines(all.map { [$0] }) == Self.expected)
            }
        }
    }

    @Test("Lines survive random cuts")
    func random() async throws {
        var generator = SeededGenerator(seed: 1)
        try await withReader { reader in
            for _ in 0..<20 {
                let numbers = (0..<200).map { _ in Int.random(in: 0...1_000_000, using: &generator) }
                let ends = numbers.map { _ in Bool.random(using: &generator) ? "\n" : "\r\n" }
                let text = zip(numbers, ends).map { "{\"Number\":\($0)}\($1)" }.joined()
                let lines = try await reader.lines(text.bytes.cutAtRandom(50, using: &generator))
                #expect(lines.map(\.number) == numbers)
            }
        }
    }

    @Test("An empty stream has no lines", arguments: [[], ["\n"], ["\r\n", " "]] as [[String]])
    func empty(pieces: [String]) async throws {
        try await withReader { reader in
            let lines = try await reader.lines(pieces.map(\.bytes))
            #expect(lines.isEmpty)
        }
    }

    @Test("A line that is not the JSON expected is an error", arguments: ["{", "[1]", "{\"Other\":1}", "text", "{}{}"])
    func malformed(text: String) async throws {
        try await withReader { reader in
            let error = try await #require(throws: DockerError.self) {
                try await reader.lines(["{\"Number\":1}\n".bytes, text.bytes + "\n".bytes])
            }
            #expect(error.code == .malformedResponse)
        }
    }

    @Test("A stream that breaks off inside a line, or between two, is an error", arguments: ["", "{\"Num"])
    func broken(rest: String) async throws {
        try await withReader { reader in
            let error = try await #require(throws: DockerError.self) {
                try await reader.lines(["{\"Number\":1}\n".bytes, rest.bytes], then: [.close])
            }
            #expect(error.code == .connectionLost)
        }
    }
}
