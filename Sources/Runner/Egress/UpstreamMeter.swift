import NIOCore

/// Counts what crosses a connection to a host, cuts it off at the limits, and when it has closed files its record and
/// leaves its place.
final class UpstreamMeter: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    private var record: EgressRecord
    private let ledger: EgressLedger
    private let limits: EgressPolicy.Limits
    private var isCutOff = false
    private var flushDeadline: Scheduled<Void>?

    /// The agent's end of the tunnel has closed: what it has sent may still go, for a while.
    struct AgentHasGone: Sendable {}

    init(_ record: EgressRecord, ledger: EgressLedger, limits: EgressPolicy.Limits) {
        self.record = record
        self.ledger = ledger
        self.limits = limits
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let count = unwrapInboundIn(data).readableBytes
        guard !isCutOff else { return }
        guard ledger.count(received: count) else {
            return cutOff(context, limits.bytesReached)
        }
        record.receivedBytes += Int64(count)
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let count = unwrapOutboundIn(data).readableBytes
        guard !isCutOff, ledger.count(sent: count) else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return cutOff(context, limits.bytesReached)
        }
        record.sentBytes += Int64(count)
        context.write(data, promise: promise)
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is AgentHasGone else { return context.triggerUserOutboundEvent(event, promise: promise) }
        promise?.succeed()
        guard context.channel.isActive else { return }
        let reason = EgressRecord.Reason(
            .timeout, "the agent closed, and the host did not take the rest within \(limits.flush.inSeconds)")
        flushDeadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(limits.flush)) {
            self.cutOff(context, reason)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is IdleStateHandler.IdleStateEvent else { return context.fireUserInboundEventTriggered(event) }
        cutOff(context, .init(.timeout, "nothing was sent or received for \(limits.idle.inSeconds)"))
    }

    private func cutOff(_ context: ChannelHandlerContext, _ reason: EgressRecord.Reason) {
        guard !isCutOff else { return }
        isCutOff = true
        record.reason = reason
        context.fireErrorCaught(reason)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        flushDeadline?.cancel()
        ledger.file(record)
        ledger.leavePlace()
        context.fireChannelInactive()
    }
}
