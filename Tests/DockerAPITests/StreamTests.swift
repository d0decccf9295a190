import Foundation
import Glibc
import Synchronization
import Testing

@testable import DockerAPI

/// Serialised: one of these measures the memory of the process.
@Suite("Streams", .serialized, .timeLimit(.minutes(5)))
struct StreamTests {
    enum Form: Sendable, CaseIterable {
        case chunked, attached
    }

    /// Writes far more than anybody wants to keep, and knows when the client no longer takes it.
    private final class Flood: Sendable {
        private struct State {
            var written = 0
            var stalls = 0
            var isDone = false
        }

        private static let block = 1 << 20
        private let total: Int
        private let pattern: Pattern
        private let state = Mutex(State())

        init(total: Int, pattern: Pattern) {
            self.total = total
            self.pattern = pattern
        }

        /// Bytes with the kernel so far.
        var written: Int { state.withLock { $0.written } }
        /// How often nothing could be written for a while.
        var stalls: Int { state.withLock { $0.stalls } }
        var isDone: Bool { state.withLock { $0.isDone } }

        func response(_ form: Form) -> StubEngine.Response {
            let head = form == .chunked ? StubEngine.Response.chunkedHead : StubEngine.Response.upgradeHead
            return .init(steps: [.write(head), .run { [self] in try run($0, form) }])
        }

        private func run(_ connection: StubEngine.Connection, _ form: Form) throws {
            var offset = 0
            while offset < total {
                let count = min(Self.block, total - offset)
                try Self.intro(of: count, isFirst: offset == 0, form).withUnsafeBytes { try write($0, to: connection) }
                try pattern.withBytes(at: offset, count: count) { payload in
                    try write(payload, to: connection) { count in state.withLock { $0.written += count } }
                }
                offset += count
            }
            if form == .chunked { try connection.write("\r\n0\r\n\r\n".bytes) }
            state.withLock { $0.isDone = true }
        }

        /// What stands before a block: a chunk's size, or a frame's header.
        private static func intro(of count: Int, isFirst: Bool, _ form: Form) -> [UInt8] {
            switch form {
            case .chunked: "\(isFirst ? "" : "\r\n")\(String(count, radix: 16))\r\n".bytes
            case .attached: [1, 0, 0, 0] + withUnsafeBytes(of: UInt32(count).bigEndian) { Array($0) }
            }
        }

        private func write(
            _ bytes: UnsafeRawBufferPointer, to connection: StubEngine.Connection, taken: (Int) -> Void = { _ in }
        ) throws {
            var rest = bytes
            while let base = rest.baseAddress, !rest.isEmpty {
                let count = send(connection.descriptor, base, rest.count, CInt(MSG_NOSIGNAL | MSG_DONTWAIT))
                if count > 0 {
                    taken(count)
                    rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
                } else if errno == EAGAIN {
                    var poll = pollfd(fd: connection.descriptor, events: Int16(POLLOUT), revents: 0)
                    if Glibc.poll(&poll, 1, 250) == 0 { state.withLock { $0.stalls += 1 } }
                } else {
                    throw StubEngine.Connection.Gone()
                }
            }
        }
    }

    private static let total = 1 << 30
    /// Most bytes on their way: the window, curl's buffer, the socket's.
    private static let bound = 4 << 20

    @Test(
        "A gibibyte passes whole through a window of a mebibyte: who does not read stops the socket",
        arguments: Form.allCases)
    func backPressure(form: Form) async throws {
        let pattern = Pattern(longest: 1 << 20)
        let flood = Flood(total: Self.total, pattern: pattern)
        try await StubEngine.withClient(answering: { _ in flood.response(form) }) { client, _ in
            switch form {
            case .chunked:
                let bytes = try await client.containerArchive("x", path: "/")
                try await read(bytes, from: flood, expecting: pattern) { $0[...] }
            case .attached:
                let attached = try await client.attach("x")
                try await read(attached.output, from: flood, expecting: pattern) { $0.bytes }
            }
        }
    }

    private func read<Stream: AsyncSequence>(
        _ stream: Stream, from flood: Flood, expecting pattern: Pattern, bytes: (Stream.Element) -> ArraySlice<UInt8>
    ) async throws {
        let memoryBefore = try residentMemory()
        var mostMemory = 0
        // Nobody reads yet.
        try await eventually("the writer is stopped") { flood.stalls > 0 || flood.isDone }
        #expect(flood.written < Self.bound)

        var read = 0
        var pauses = [64 << 20, 512 << 20]
        var nextMeasure = 0
        for try await element in stream {
            let chunk = bytes(element)
            guard pattern.matches(chunk, at: read) else {
                Issue.record("\(chunk.count) bytes at \(read) are not what was sent")
                return
            }
            read += chunk.count
            if let pause = pauses.first, read >= pause {
                pauses.removeFirst()
                let stalls = flood.stalls
                try await eventually("the writer is stopped again") { flood.stalls > stalls || flood.isDone }
                #expect(flood.written - read < Self.bound)
            }
            if read >= nextMeasure {
                nextMeasure += 32 << 20
                mostMemory = max(mostMemory, try residentMemory())
            }
        }
        #expect(read == Self.total)
        try await eventually("the writer is done") { flood.isDone }
        // Less than what passed, and room for the tests that run beside this one.
        #expect(mostMemory - memoryBefore < 512 << 20)
    }

    @Test("A chunk is at most 64 KiB, and bytes are handed on as they arrive")
    func promptness() async throws {
        let gates = [Gate(), Gate(), Gate()]
        let parts = ["one".bytes, [UInt8].random(200_000, seed: 5), "three".bytes]
        try await StubEngine.withClient(answering: { _ in .chunked(parts, gates: gates) }) { client, _ in
            var chunks = try await client.containerArchive("x", path: "/").makeAsyncIterator()
            for (part, gate) in zip(parts, gates) {
                gate.open()
                var read: [UInt8] = []
                while read.count < part.count {
                    let chunk = try #require(try await chunks.next())
                    #expect(!chunk.isEmpty && chunk.count <= 65536)
                    read += chunk
                }
                #expect(read.isSame(as: part))
            }
            #expect(try await chunks.next() == nil)
        }
    }

    @Test("Frames cut by the transport at any place arrive whole", arguments: [1, 2, 7, 9])
    func cutFrames(step: Int) async throws {
        let all = frame(.stdout, "hello\n".bytes) + frame(.stderr, []) + frame(.stderr, "oops".bytes)
        let pieces = stride(from: 0, to: all.count, by: step).map { Array(all[$0..<min($0 + step, all.count)]) }
        try await StubEngine.withClient(answering: { _ in .chunked(pieces) }) { client, _ in
            let frames = try await drain(try await client.containerLogs("x"))
            #expect(joined(frames) == [.stdout: "hello\n".bytes, .stderr: "oops".bytes])
        }
    }

    @Test("Eight mebibytes to a container that is slow to read arrive whole, and the send waits for it")
    func largeSend() async throws {
        let bytes = [UInt8].random(8 << 20, seed: 3)
        let hijack = StubHijack()
        hijack.reading.close()
        try await StubEngine.withClient(answering: { _ in hijack.response }) { client, _ in
            let attached = try await client.attach("x")
            try await eventually("the stream is open") { hijack.isOpen }
            let finished = Gate()
            let task = Task {
                try await attached.send(bytes)
                finished.open()
            }
            // What comes from the Engine is read meanwhile.
            hijack.write(frame(.stdout, "meanwhile".bytes))
            var output = attached.output.makeAsyncIterator()
            #expect(try await output.next()?.bytes.count == 9)
            #expect(!finished.isOpen)
            hijack.reading.open()
            try await task.value
            attached.closeInput()
            try await eventually("all arrives") { hijack.inputIsClosed }
            #expect(hijack.received.isSame(as: bytes))
        }
    }

    @Test("500 calls at once succeed, though the socket's backlog is 16")
    func manyCalls() async throws {
        raiseDescriptorLimit()
        let count = 500
        let answer: StubEngine.Handler = { .json("{\"Id\":\"\($0.path)\",\"Warnings\":null}") }
        try await StubEngine.withClient(backlog: 16, answering: answer) { client, stub in
            stub.accepting.close()
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<count {
                    group.addTask {
                        let spec = ContainerSpec(image: "x")
                        let created = try await client.createContainer(name: "n\(number)", spec)
                        return created.id == "/v1.41/containers/create"
                    }
                }
                try await eventually("the backlog is full") { stub.backlogIsFull }
                stub.accepting.open()
                for try await isRight in group { #expect(isRight) }
            }
            #expect(Set(stub.requests.compactMap { $0.query["name"] }).count == count)
        }
    }

    @Test("Connections are used again")
    func reuse() async throws {
        try await StubEngine.withClient(answering: { _ in .json("[]") }) { client, stub in
            for _ in 0..<50 { _ = try await client.listContainers() }
            #expect(stub.connectionCount == 1)
        }
    }

    /// The test holds both ends of 500 connections.
    private func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 4096))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
