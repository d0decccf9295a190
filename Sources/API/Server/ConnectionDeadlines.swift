import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes

/// Ends connections that keep the server waiting: a head or a body that does not come, a reader that does not read; and
/// answers requests that are no HTTP.
///
/// It also closes the connection behind an answer that says `Connection: close`, and under one when the client closes its
/// side: nobody else reads from that connection any more.
final class ConnectionDeadlines: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// What is read now.
    private enum Reading {
        /// Can transition to: body.
        case head
        /// Can transition to: head.
        case body
    }

    /// For the client to read the last answer before the connection goes.
    private static let lingering: TimeAmount = .seconds(1)

    private let configuration: ServerConfiguration
    private var reading = Reading.head
    /// Requests whose answer is not complete.
    private var requests = 0
    private var hasBegunAnswer = false
    private var closesAfterAnswer = false
    /// The client has closed its side.
    private var inputIsClosed = false
    /// Of what comes behind the last request that is answered, nothing is read.
    private var isDeaf = false
    /// Called once the client has closed its side, before the next answer is complete.
    private var leaveHandlers: [() -> Void] = []
    private var readTimer: Scheduled<Void>?
    private var writeTimer: Scheduled<Void>?

    init(_ configuration: ServerConfiguration) { self.configuration = configuration }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { waitToRead(configuration.headTimeout, context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { cancelTimers() }

    func channelActive(context: ChannelHandlerContext) {
        waitToRead(configuration.headTimeout, context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        cancelTimers()
        clientLeaves()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isDeaf { return }
        switch unwrapInboundIn(data) {
        case .head where hasBegunLastAnswer:
            isDeaf = true
            return
        case .head:
            reading = .body
            requests += 1
            waitToRead(configuration.bodyTimeout, context)
        case .body: break
        case .end:
            reading = .head
            readTimer?.cancel()
            readTimer = nil
        }
        context.fireChannelRead(data)
    }

    private var hasBegunLastAnswer: Bool { hasBegunAnswer && closesAfterAnswer }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed = event as? ChannelEvent {
            clientLeaves()
            if hasBegunLastAnswer { return context.close(promise: nil) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    /// Calls the body when the client closes its side before the answer under way is complete; at once when it has.
    func onLeave(_ body: @escaping () -> Void) {
        if inputIsClosed { return body() }
        leaveHandlers.append(body)
    }

    private func clientLeaves() {
        inputIsClosed = true
        let handlers = leaveHandlers
        leaveHandlers = []
        for handler in handlers { handler() }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head):
            hasBegunAnswer = true
            closesAfterAnswer = head.headerFields[.connection]?.lowercased() == "close"
            // An answer of any length, to nobody.
            if closesAfterAnswer, inputIsClosed, head.headerFields[.contentLength] == nil {
                context.close(promise: nil)
            }
        case .body: break
        case .end:
            hasBegunAnswer = false
            leaveHandlers = []
            requests -= 1
            if closesAfterAnswer {
                return writeLast(data, promise, context)
            }
            // A next request that has begun to arrive has its own deadline.
            if requests == 0, case .head = reading { waitToRead(configuration.idleTimeout, context) }
        }
        context.write(data, promise: promise)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        writeTimer?.cancel()
        writeTimer = nil
        if !context.channel.isWritable {
            let context = NIOLoopBound(context, eventLoop: context.eventLoop)
            writeTimer = context.value.eventLoop.scheduleTask(in: TimeAmount(configuration.writeTimeout)) {
                context.value.close(promise: nil)
            }
        }
        context.fireChannelWritabilityChanged()
    }

    /// Not HTTP: answered, where no answer is under way, and closed.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError else { return context.fireErrorCaught(error) }
        let isTooLarge = (error as? HTTPParserError) == .headerOverflow
        let problem =
            isTooLarge
            ? Problem(
                status: 431, code: "too_large", title: "Too large",
                detail:
                    "the request's line and headers are more than \(configuration.maxHeaderBytes) bytes, or more than "
                    + "\(ServerConfiguration.maxHeaders) headers")
            : Problem(
                status: 400, code: "malformed_request", title: "Not HTTP", detail: "the request is not valid HTTP/1.1")
        refuse(problem, context)
    }

    // MARK: Deadlines

    private func waitToRead(_ limit: Duration, _ context: ChannelHandlerContext) {
        readTimer?.cancel()
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        readTimer = context.eventLoop.scheduleTask(in: TimeAmount(limit)) {
            let (handler, context) = bound.value
            handler.readIsOverdue(context)
        }
    }

    private func readIsOverdue(_ context: ChannelHandlerContext) {
        readTimer = nil
        // An idle connection, or one on which nothing was ever asked, has nobody to answer.
        guard case .body = reading else { return context.close(promise: nil) }
        refuse(
            Problem(
                status: 408, code: "request_timeout", title: "Too slow",
                detail: "the request's body did not arrive within \(configuration.bodyTimeout)"), context)
    }

    private func refuse(_ problem: Problem, _ context: ChannelHandlerContext) {
        cancelTimers()
        guard !hasBegunAnswer, context.channel.isActive else { return context.close(promise: nil) }
        let body = problem.serialized
        let head = HTTPResponse(
            status: .init(code: problem.status),
            headerFields: [
                .contentType: Problem.contentType, .contentLength: String(body.count), .connection: "close",
                .xRequestID: RequestIDs.make(), .xContentTypeOptions: "nosniff", .cacheControl: "no-store",
            ])
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(ByteBuffer(bytes: body))), promise: nil)
        writeLast(wrapOutboundOut(.end(nil)), nil, context)
    }

    /// Once all is with the kernel, the client is given the time to read it.
    private func writeLast(_ data: NIOAny, _ promise: EventLoopPromise<Void>?, _ context: ChannelHandlerContext) {
        let written = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        written.futureResult.whenComplete { _ in
            let (handler, context) = bound.value
            handler.linger(context)
        }
        if let promise { written.futureResult.cascade(to: promise) }
        context.writeAndFlush(data, promise: written)
    }

    /// Lets the client read what was written: to close with bytes unread would take it back.
    private func linger(_ context: ChannelHandlerContext) {
        cancelTimers()
        context.close(mode: .output, promise: nil)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        readTimer = context.eventLoop.scheduleTask(in: Self.lingering) { bound.value.close(promise: nil) }
    }

    private func cancelTimers() {
        readTimer?.cancel()
        writeTimer?.cancel()
        readTimer = nil
        writeTimer = nil
    }
}
