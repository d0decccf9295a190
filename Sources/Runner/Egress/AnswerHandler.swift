import NIOCore
import NIOHTTP1

/// The end of a connection to a host that answers a request in plain HTTP: hands everything to the proxy's end.
final class AnswerHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private let proxy: ProxyHandler

    init(proxy: ProxyHandler) { self.proxy = proxy }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        proxy.take(unwrapInboundIn(data), from: context.channel)
    }

    func channelReadComplete(context: ChannelHandlerContext) { proxy.takeComplete(from: context.channel) }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { proxy.canSend(to: context.channel) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // The decoder has seen it first: an answer that ends with the connection is complete by now.
        if event as? ChannelEvent == .inputClosed { proxy.failed(nil, context.channel) }
    }

    func channelInactive(context: ChannelHandlerContext) { proxy.failed(nil, context.channel) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let reason = error as? EgressRecord.Reason
        proxy.failed(reason ?? .init(.badAnswer, "the host's answer cannot be read: \(error)"), context.channel)
    }
}
