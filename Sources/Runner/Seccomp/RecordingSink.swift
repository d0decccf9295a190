import DockerAPI
import NIOConcurrencyHelpers

/// The system calls that an agent made.
public struct RecordedCalls: Sendable, Equatable {
    /// A call with the arguments that tell its uses apart: ioctl's request, socket's family and type, prctl's option,
    /// clone's flags.
    struct Detail: Sendable, Hashable {
        let call: String
        let first: UInt32
        let second: UInt32
    }

    public internal(set) var names: Set<String> = []
    var details: Set<Detail> = []

    mutating func formUnion(_ other: RecordedCalls) {
        names.formUnion(other.names)
        details.formUnion(other.details)
    }
}

/// Takes the recorder's lines out of an agent's stderr, and passes on the rest.
final class RecordingSink: LogSink {
    /// What the recorder has said of itself.
    enum Recorder: Equatable {
        case silent, ready
        /// The error that kept it from recording.
        case unavailable(errno: Int32)
    }

    private struct State {
        var calls = RecordedCalls()
        var recorder = Recorder.silent
        /// What may be the beginning of a line of the recorder's.
        var pending: [UInt8] = []
    }

    /// Begins each of its lines; random, since the agent writes to the same stream.
    let marker = LaunchFrame.makeNonce()
    private let state = NIOLockedValueBox(State())
    private let next: any LogSink

    init(passingOnTo next: any LogSink) { self.next = next }

    var calls: RecordedCalls { state.withLockedValue { $0.calls } }
    var recorder: Recorder { state.withLockedValue { $0.recorder } }

    func write(_ bytes: ArraySlice<UInt8>, to stream: LogStream) async throws {
        guard stream == .stderr else { return try await next.write(bytes, to: stream) }
        let agents = state.withLockedValue { take(bytes, &$0) }
        if !agents.isEmpty { try await next.write(agents[...], to: stream) }
    }

    func executionIsEnding() { next.executionIsEnding() }

    /// Passes on what was held back. To be called when the execution has ended.
    func flush() async throws {
        let rest = state.withLockedValue { state in
            defer { state.pending = [] }
            return state.pending
        }
        if !rest.isEmpty { try await next.write(rest[...], to: .stderr) }
    }

    /// Returns the bytes that are the agent's.
    private func take(_ bytes: ArraySlice<UInt8>, _ state: inout State) -> [UInt8] {
        let marker = Array(self.marker.utf8)
        var rest = state.pending + bytes
        var agents: [UInt8] = []
        while let start = rest.firstRange(of: marker)?.lowerBound {
            agents += rest[..<start]
            rest.removeSubrange(..<start)
            guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
                state.pending = rest
                return agents
            }
            read(String(decoding: rest[marker.count..<end], as: UTF8.self), &state)
            rest.removeSubrange(...end)
        }
        // A marker that is not whole yet.
        let kept = (1..<marker.count).last { rest.suffix($0).elementsEqual(marker.prefix($0)) } ?? 0
        state.pending = Array(rest.suffix(kept))
        return agents + rest.dropLast(kept)
    }

    /// `KIND FIRST SECOND THIRD`; record.c.
    private func read(_ line: String, _ state: inout State) {
        let words = line.split(separator: " ")
        let numbers = words.dropFirst().compactMap { UInt32($0) }
        guard let kind = words.first, numbers.count == 3 else { return }
        let name = SyscallTable.name(of: Int(numbers[0]))
        switch kind {
        case "ready": state.recorder = .ready
        case "unavailable": state.recorder = .unavailable(errno: Int32(numbers[0]))
        case "call": if let name { state.calls.names.insert(name) }
        case "detail":
            if let name { state.calls.details.insert(.init(call: name, first: numbers[1], second: numbers[2])) }
        default: return
        }
    }
}
