import NIOCore

/// One end of a tunnel: what it reads, its partner writes. Each end has one.
///
/// It reads on only when the partner can take more, so a tunnel holds at most one read and the partner's high-water
/// mark in each direction.
final class TunnelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let partner: any Channel

    init(partner: any Channel) { self.partner = partner }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        partner.write(unwrapInboundIn(data), promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        partner.flush()
        if partner.isWritable { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { partner.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event as? ChannelEvent == .inputClosed else { return }
        closePartner(.output)
    }

    func channelInactive(context: ChannelHandlerContext) { closePartner(.all) }

    /// Behind what is still to be written: closing drops it.
    private func closePartner(_ mode: CloseMode) {
        let partner = self.partner
        partner.writeAndFlush(ByteBuffer()).whenComplete { _ in partner.close(mode: mode, promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
