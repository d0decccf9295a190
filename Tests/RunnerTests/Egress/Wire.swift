import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// One end of a stream, as a client or a server of a test holds it: bytes, and nothing that reads or writes HTTP for it.
final class Wire {
    struct Ended: Error {
        let waitingFor: String
        let had: String
    }

    private let channel: any Channel
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var buffered: [UInt8] = []
    private(set) var receivedBytes = 0

    private init(
        _ channel: any Channel, _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>,
        _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) {
        self.channel = channel
        self.inbound = inbound.makeAsyncIterator()
        self.outbound = outbound
    }

    static func run<Result>(
        _ channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>, _ body: (Wire) async throws -> Result
    ) async throws -> Result {
        try await channel.executeThenClose { inbound, outbound in
            try await body(Wire(channel.channel, inbound, outbound))
        }
    }

    static let configuration = NIOAsyncChannel<ByteBuffer, ByteBuffer>.Configuration(
        isOutboundHalfClosureEnabled: true)

    /// Connects to a unix socket.
    static func connect<Result>(to path: String, _ body: (Wire) async throws -> Result) async throws -> Result {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .connect(unixDomainSocketPath: path) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel(wrappingChannelSynchronously: channel, configuration: configuration)
                }
            }
        return try await run(channel, body)
    }

    func send(_ text: String) async throws { try await outbound.write(ByteBuffer(string: text)) }

    func send(zeros count: Int) async throws {
        try await outbound.write(ByteBuffer(repeating: 0x30, count: count))
    }

    /// Without waiting until they are taken: closing drops the rest.
    func pour(zeros count: Int) { channel.writeAndFlush(ByteBuffer(repeating: 0x30, count: count), promise: nil) }

    /// Closes the writing half.
    func finish() { outbound.finish() }

    /// Waits until the text has come, and returns everything up to its end.
    func read(until end: String) async throws -> String {
        while true {
            if let range = buffered.firstRange(of: Array(end.utf8)) { return take(range.upperBound) }
            guard let more = try await next() else { throw Ended(waitingFor: end, had: take(buffered.count)) }
            buffered += more
        }
    }

    /// Everything to the end of the stream, or to its break.
    func readToEnd() async throws -> String {
        while let more = try? await next() { buffered += more }
        return take(buffered.count)
    }

    private func take(_ count: Int) -> String {
        defer { buffered.removeFirst(count) }
        return String(decoding: buffered.prefix(count), as: UTF8.self)
    }

    /// Reads to the end and keeps nothing.
    func countToEnd() async throws -> Int {
        while try await next() != nil {}
        return receivedBytes
    }

    /// Reads until as many bytes have come in all, and keeps none.
    func count(to count: Int) async throws {
        while receivedBytes < count, try await next() != nil {}
        buffered = []
    }

    private func next() async throws -> [UInt8]? {
        guard let bytes = try await inbound.next(isolation: #isolation) else { return nil }
        receivedBytes += bytes.readableBytes
        return Array(bytes.readableBytesView)
    }

    /// The head of a message, and its body as Content-Length has it.
    func readMessage() async throws -> (head: String, body: String) {
        let head = try await read(until: "\r\n\r\n")
        let length = head.lowercased().firstMatch(of: /content-length: (\d+)/).flatMap { Int($0.1) } ?? 0
        while buffered.count < length, let more = try await next() { buffered += more }
        return (head, take(min(length, buffered.count)))
    }
}

/// A TCP server on the loopback interface whose every connection is given to a closure.
enum LocalServer {
    static func run<Result: Sendable>(
        receiveBuffer: Int? = nil,
        _ serve: @escaping @Sendable (Wire) async throws -> Void, _ body: (Int) async throws -> Result
    ) async throws -> Result {
        var bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 256)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
        if let receiveBuffer {
            bootstrap = bootstrap.serverChannelOption(.socketOption(.so_rcvbuf), value: .init(receiveBuffer))
        }
        let tasks = NIOLockedValueBox<[Task<Void, Never>]>([])
        let server = try await bootstrap.childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                let wire = try NIOAsyncChannel(
                    wrappingChannelSynchronously: channel, configuration: Wire.configuration)
                tasks.withLockedValue { $0.append(Task { try? await Wire.run(wire, serve) }) }
            }
        }.bind(host: "127.0.0.1", port: 0).get()
        defer {
            server.close(promise: nil)
            for task in tasks.withLockedValue({ $0 }) { task.cancel() }
        }
        return try await body(server.localAddress?.port ?? 0)
    }

    /// Answers every request with what it got.
    static func echo(_ wire: Wire) async throws {
        let (head, body) = try await wire.readMessage()
        let text = head + body
        try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)")
    }
}
