import NIOCore

/// Counts what crosses a connection to a host, cuts it off at the limits, and files its record when it has closed.
final class UpstreamMeter: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    private var record: EgressRecord
    private let ledger: EgressLedger
    private let limits: EgressPolicy.Limits
    private var isCutOff = false

    init(_ record: EgressRecord, ledger: EgressLedger, limits: EgressPolicy.Limits) {
        self.record = record
        self.ledger = ledger
        self.limits = limits
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let count = unwrapInboundIn(data).readableBytes
        guard !isCutOff else { return }
        guard ledger.count(received: count) else {
            return cutOff(context, EgressDialer.byteLimitReached(limits))
        }
        record.receivedBytes += Int64(count)
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let count = unwrapOutboundIn(data).readableBytes
        guard !isCutOff, ledger.count(sent: count) else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return cutOff(context, EgressDialer.byteLimitReached(limits))
        }
        record.sentBytes += Int64(count)
        context.write(data, promise: promise)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is IdleStateHandler.IdleStateEvent else { return context.fireUserInboundEventTriggered(event) }
        let seconds = (limits.idle / .seconds(1)).plain
        cutOff(context, .init(.timeout, "nothing was sent or received for \(seconds) s"))
    }

    private func cutOff(_ context: ChannelHandlerContext, _ reason: EgressRecord.Reason) {
        guard !isCutOff else { return }
        isCutOff = true
        record.reason = reason
        context.fireErrorCaught(reason)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        ledger.file(record)
        context.fireChannelInactive()
    }
}
