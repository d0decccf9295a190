import NIOCore

/// Keeps what a host says before there is anybody to take it, and that it has closed its half: NIO reads both as soon as
/// the half is closed, also where nobody has asked for a read. Removed, it hands them on.
final class EarlyBytes: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private var reads: [NIOAny] = []
    private var hasEnded = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { reads.append(data) }

    func channelReadComplete(context: ChannelHandlerContext) {}

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed {
            hasEnded = true
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func removeHandler(context: ChannelHandlerContext, removalToken: ChannelHandlerContext.RemovalToken) {
        for data in reads { context.fireChannelRead(data) }
        if !reads.isEmpty { context.fireChannelReadComplete() }
        if hasEnded { context.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
        context.leavePipeline(removalToken: removalToken)
    }

    /// - Throws: for a channel that has closed already.
    static func handOn(in channel: any Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        _ = pipeline.removeHandler(context: try pipeline.context(handlerType: EarlyBytes.self))
    }
}
