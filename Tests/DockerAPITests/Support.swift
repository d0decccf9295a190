import Foundation
import Glibc
import Testing

@testable import DockerAPI

/// A condition that did not come true in time.
struct NotInTime: Error, CustomStringConvertible {
    let description: String
}

/// Waits until `condition` holds.
/// - Throws: ``NotInTime`` when it does not within `limit`.
func eventually(
    _ what: String, within limit: Duration = .seconds(60), _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw NotInTime(description: "not in time: \(what)") }
        try await Task.sleep(for: .milliseconds(2))
    }
}

/// Reads a stream to its end.
func drain<Stream: AsyncSequence>(_ stream: Stream) async throws -> [Stream.Element] {
    var all: [Stream.Element] = []
    for try await element in stream { all.append(element) }
    return all
}

/// Frames put together again: all bytes of each stream.
func joined(_ frames: [LogFrame]) -> [LogStream: [UInt8]] {
    frames.reduce(into: [:]) { $0[$1.stream, default: []] += $1.bytes }
}

/// One frame in the Engine's multiplexed format.
func frame(_ stream: LogStream, _ payload: [UInt8]) -> [UInt8] {
    let length = UInt32(payload.count)
    let header: [UInt8] = [stream == .stdout ? 1 : 2, 0, 0, 0]
    return header + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) } + payload
}

/// JSON with sorted keys, so that two texts can be compared.
func canonical(_ json: String) throws -> String {
    let value = try JSONSerialization.jsonObject(with: Data(json.utf8), options: [.fragmentsAllowed])
    let options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes, .fragmentsAllowed]
    return String(decoding: try JSONSerialization.data(withJSONObject: value, options: options), as: UTF8.self)
}

extension String {
    var bytes: [UInt8] { Array(utf8) }
}

extension [UInt8] {
    var text: String { String(decoding: self, as: UTF8.self) }
}

/// Random numbers that are the same in every run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension [UInt8] {
    /// Cut at up to `cuts` random places; no piece is empty.
    func cutAtRandom(_ cuts: Int, using generator: inout SeededGenerator) -> [[UInt8]] {
        let places = (0..<cuts).map { _ in Int.random(in: 0...count, using: &generator) }.sorted()
        return zip([0] + places, places + [count]).map { Array(self[$0..<$1]) }.filter { !$0.isEmpty }
    }

    static func random(_ count: Int, seed: UInt64) -> [UInt8] {
        var generator = SeededGenerator(seed: seed)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count {
            Swift.withUnsafeBytes(of: generator.next()) { bytes.append(contentsOf: $0) }
        }
        return Array(bytes.prefix(count))
    }
}

/// A long sequence of bytes whose every place can be checked without a loop over bytes.
struct Pattern: Sendable {
    /// A prime, so that nothing lost in powers of two goes unseen.
    private static let period = 65521
    private let bytes: [UInt8]

    /// - Parameter longest: most bytes that are taken or checked at once.
    init(longest: Int) {
        let once = [UInt8].random(Self.period, seed: 7)
        var bytes = once
        while bytes.count < Self.period + longest { bytes += once }
        self.bytes = bytes
    }

    func withBytes<Result>(
        at offset: Int, count: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        let start = offset % Self.period
        return try bytes.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[start..<(start + count)])) }
    }

    /// Whether `chunk` is what the sequence has at `offset`.
    func matches(_ chunk: ArraySlice<UInt8>, at offset: Int) -> Bool {
        withBytes(at: offset, count: chunk.count) { $0.isSame(as: chunk) }
    }
}

extension UnsafeRawBufferPointer {
    func isSame(as other: ArraySlice<UInt8>) -> Bool {
        other.withUnsafeBytes { other in
            guard count == other.count else { return false }
            guard let a = baseAddress, let b = other.baseAddress else { return count == 0 }
            return memcmp(a, b, count) == 0
        }
    }
}

extension [UInt8] {
    /// Equality without a loop over bytes, and without printing megabytes when it fails.
    func isSame(as other: [UInt8]) -> Bool { withUnsafeBytes { $0.isSame(as: other[...]) } }
}

/// Resident memory of this process in bytes, from /proc/self/status.
func residentMemory() throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
    let kibibytes = try #require(line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first)
    return try #require(Int(kibibytes)) * 1024
}
