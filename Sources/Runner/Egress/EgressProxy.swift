import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix

/// The only way out of one sandbox: an HTTP proxy on a unix socket, for CONNECT and for requests in plain HTTP.
final class EgressProxy: Sendable {
    let socketPath: String
    private let server: any Channel
    private let ledger: EgressLedger
    private let resolver: any EgressResolver

    private init(socketPath: String, server: any Channel, ledger: EgressLedger, resolver: any EgressResolver) {
        self.socketPath = socketPath
        self.server = server
        self.ledger = ledger
        self.resolver = resolver
    }

    /// Listens on the socket, in a folder that only this process's user can enter.
    /// - Parameter uid: the user who may connect.
    static func start(
        _ policy: EgressPolicy, socketPath: String, uid: UInt32, sink: (any EgressSink)?,
        resolver: any EgressResolver = SystemResolver()
    ) async throws -> EgressProxy {
        let ledger = EgressLedger(limits: policy.limits, sink: sink)
        let dialer = EgressDialer(policy: policy, resolver: resolver, ledger: ledger)
        // Threads that the whole process shares; they are made when the first of its users comes.
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.writeBufferWaterMark, value: EgressDialer.writeMarks)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let admission = ledger.admit(client: channel)
                    guard admission != .turnedAway else { throw ChannelError.alreadyClosed }
                    try ProxyPipeline.add(
                        to: channel, ProxyHandler(dialer: dialer, isOverLimit: admission == .overLimit))
                }
            }
        let server: any Channel
        do {
            server = try await bootstrap.bind(unixDomainSocketPath: socketPath, cleanupExistingSocketFile: true).get()
        } catch {
            resolver.close()
            guard let error = error as? IOError else { throw error }
            throw StateFolder.Failure(path: socketPath, errno: error.errnoCode)
        }
        let proxy = EgressProxy(socketPath: socketPath, server: server, ledger: ledger, resolver: resolver)
        guard Self.hand(socketPath, to: uid) else {
            let number = errno
            _ = await proxy.close()
            throw StateFolder.Failure(path: socketPath, errno: number)
        }
        return proxy
    }

    /// Connecting takes the right to write. Who is not root cannot give the socket away; nobody else can reach it in its
    /// folder.
    private static func hand(_ path: String, to uid: UInt32) -> Bool {
        guard geteuid() == 0 else { return chmod(path, 0o666) == 0 }
        return chown(path, uid, uid) == 0 && chmod(path, 0o600) == 0
    }

    /// What has gone through so far.
    var report: EgressReport { ledger.report }

    /// Closes every connection and removes the socket.
    func close() async -> EgressReport {
        try? await server.close()
        await ledger.close()
        resolver.close()
        unlink(socketPath)
        return report
    }
}

/// What reads and writes HTTP on a client's connection, until it becomes a tunnel.
enum ProxyPipeline {
    static func add(to channel: any Channel, _ handler: ProxyHandler) throws {
        var configuration = HTTPResponseEncoder.Configuration()
        configuration.automaticallySetFramingHeaders = false
        try channel.pipeline.syncOperations.addHandlers([
            HTTPResponseEncoder(configuration: configuration),
            ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes)),
            HTTPServerPipelineHandler(),
            handler,
        ])
    }

    /// The decoder goes last: what it still holds is for those behind it.
    static func remove(from channel: any Channel) throws -> EventLoopFuture<Void> {
        let pipeline = channel.pipeline.syncOperations
        _ = pipeline.removeHandler(context: try pipeline.context(handlerType: ProxyHandler.self))
        _ = pipeline.removeHandler(context: try pipeline.context(handlerType: HTTPServerPipelineHandler.self))
        _ = pipeline.removeHandler(context: try pipeline.context(handlerType: HTTPResponseEncoder.self))
        return pipeline.removeHandler(
            context: try pipeline.context(handlerType: ByteToMessageHandler<HTTPRequestDecoder>.self))
    }
}
