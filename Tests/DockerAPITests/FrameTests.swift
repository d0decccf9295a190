import Testing

@testable import DockerAPI

@Suite("Log frames", .timeLimit(.minutes(5)))
struct FrameTests {
    /// What a decoder makes of pieces: the bytes of each stream, and whether it ended between two frames.
    private func decode(_ pieces: [[UInt8]]) throws -> (bytes: [LogStream: [UInt8]], isWhole: Bool) {
        var decoder = LogFrameDecoder()
        let frames = try pieces.flatMap { try decoder.decode($0, operation: "test") }
        return (joined(frames), decoder.isBetweenFrames)
    }

    private static let several =
        frame(.stdout, "hello\n".bytes) + frame(.stderr, []) + frame(.stderr, [1, 0, 0, 0, 0, 0, 0, 9])
        + frame(.stdout, []) + frame(.stdout, [0xFF, 0x00]) + frame(.stderr, "!".bytes)
    private static let expected: [LogStream: [UInt8]] = [
        .stdout: "hello\n".bytes + [0xFF, 0x00], .stderr: [1, 0, 0, 0, 0, 0, 0, 9] + "!".bytes,
    ]

    @Test("Frames survive a cut at any two places")
    func everyCut() throws {
        let all = Self.several
        for first in 0...all.count {
            for second in first...all.count {
                let result = try decode([Array(all[..<first]), Array(all[first..<second]), Array(all[second...])])
                guard result.bytes == Self.expected, result.isWhole else {
                    Issue.record("cut at \(first) and \(second): \(result)")
                    return
                }
            }
        }
    }

    @Test("Frames survive byte after byte")
    func byteByByte() throws {
        let result = try decode(Self.several.map { [$0] })
        #expect(result.bytes == Self.expected)
        #expect(result.isWhole)
    }

    @Test("Streams keep their order among each other, and empty frames give nothing")
    func order() throws {
        var decoder = LogFrameDecoder()
        let frames = try decoder.decode(Self.several, operation: "test")
        #expect(frames.map(\.stream) == [.stdout, .stderr, .stdout, .stderr])
        #expect(frames.allSatisfy { !$0.bytes.isEmpty })
    }

    @Test("What has arrived of a frame is handed on at once")
    func partOfFrame() throws {
        var decoder = LogFrameDecoder()
        let part = Array(frame(.stdout, "abc".bytes).dropLast())
        #expect(try decoder.decode(part, operation: "test") == [LogFrame(stream: .stdout, bytes: [97, 98])])
        #expect(!decoder.isBetweenFrames)
        #expect(try decoder.decode([99], operation: "test") == [LogFrame(stream: .stdout, bytes: [99])])
        #expect(decoder.isBetweenFrames)
    }

    @Test("A cut anywhere inside a frame is known not to be the end")
    func truncated() throws {
        let whole = frame(.stdout, "ab".bytes)
        for length in 1..<whole.count {
            #expect(try !decode([Array(whole[..<length])]).isWhole, "\(length) bytes")
        }
        #expect(try decode([]).isWhole)
        #expect(try decode([whole]).isWhole)
    }

    @Test("A length uses all four bytes")
    func longLength() throws {
        var decoder = LogFrameDecoder()
        _ = try decoder.decode([2, 0, 0, 0, 0x01, 0x02, 0x03, 0x04], operation: "test")
        let chunk = [UInt8](repeating: 7, count: 65536)
        var left = 0x0102_0304
        while left > 0 {
            #expect(!decoder.isBetweenFrames)
            let part = Array(chunk.prefix(left))
            let frames = try decoder.decode(part, operation: "test")
            try #require(frames == [LogFrame(stream: .stderr, bytes: part[...])])
            left -= part.count
        }
        #expect(decoder.isBetweenFrames)
    }

    @Test(
        "A header that is none is an error",
        arguments: [
            [0, 0, 0, 0, 0, 0, 0, 1], [3, 0, 0, 0, 0, 0, 0, 1], [1, 1, 0, 0, 0, 0, 0, 1], [2, 0, 0, 9, 0, 0, 0, 0],
            "HTTP/1.1".bytes,
        ] as [[UInt8]])
    func unknownKind(header: [UInt8]) throws {
        for cut in 0...header.count {
            let error = #expect(throws: DockerError.self) {
                try decode([frame(.stdout, "ok".bytes), Array(header[..<cut]), Array(header[cut...])])
            }
            #expect(error?.code == .malformedResponse)
        }
    }

    @Test("Random frames survive random cuts", arguments: 0..<40 as Range<UInt64>)
    func random(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var all: [UInt8] = []
        var expected: [LogStream: [UInt8]] = [:]
        for number in 0..<Int.random(in: 1...30, using: &generator) {
            let stream: LogStream = Bool.random(using: &generator) ? .stdout : .stderr
            let length = Int.random(in: 0...[0, 3, 300, 3000][number % 4], using: &generator)
            let payload = [UInt8].random(length, seed: generator.next())
            all += frame(stream, payload)
            if !payload.isEmpty { expected[stream, default: []] += payload }
        }
        let result = try decode(all.cutAtRandom(Int.random(in: 0...60, using: &generator), using: &generator))
        #expect(result.bytes == expected)
        #expect(result.isWhole)
    }
}
