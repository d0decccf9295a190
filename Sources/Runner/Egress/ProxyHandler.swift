import NIOCore
import NIOHTTP1

/// The proxy's end of one connection from the sandbox: takes requests one after the other, has each one checked and
/// connected, and passes it on. CONNECT makes the connection a tunnel, and this handler goes.
///
/// The client is read from only when what it sends can go on, and a host only when the client can take its answer.
final class ProxyHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        /// For a request's head. Can transition to: dialing, draining, closing.
        case waiting
        /// The request is checked, its name resolved, its host connected. Parts that had come with the head are kept,
        /// and no more is read. Can transition to: exchanging, draining, closing, or a tunnel.
        case dialing(Request, dial: Task<Void, Never>, parts: [HTTPServerRequestPart])
        /// Can transition to: waiting, draining, closing.
        case exchanging(Exchange)
        /// The answer is complete and the request is not: the rest is dropped. Can transition to: waiting, closing.
        case draining(keepsConnection: Bool)
        /// When what was written has gone.
        case closing
    }

    private struct Request {
        let version: HTTPVersion
        let proxied: ProxyRequest
    }

    private struct Exchange {
        let request: Request
        let upstream: any Channel
        var requestIsComplete = false
        var answerHasBegun = false
        var keepsConnection = false
    }

    private let dialer: EgressDialer
    private let isOverLimit: Bool
    private var state = State.waiting
    private var deadline: Scheduled<Void>?
    /// The client has closed its half: it will send nothing more.
    private var hasEnded = false
    /// The last answer has gone to the client.
    private var answerWritten: EventLoopFuture<Void>?

    init(dialer: EgressDialer, isOverLimit: Bool) {
        self.dialer = dialer
        self.isOverLimit = isOverLimit
    }

    // MARK: From the client

    func channelActive(context: ChannelHandlerContext) {
        armDeadline(context)
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        switch (state, part) {
        case (.waiting, .head(let head)):
            deadline?.cancel()
            begin(head, context)
        case (.dialing(let request, let dial, var parts), _):
            parts.append(part)
            state = .dialing(request, dial: dial, parts: parts)
        case (.exchanging(let exchange), _): send(part, exchange)
        case (.draining(let keepsConnection), .end): requestEnded(keepsConnection: keepsConnection, context)
        default: return
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if case .exchanging(let exchange) = state { exchange.upstream.flush() }
        readOn(context)
    }

    private func readOn(_ context: ChannelHandlerContext) {
        switch state {
        case .waiting, .draining: context.read()
        case .exchanging(let exchange):
            if !exchange.requestIsComplete, exchange.upstream.isWritable { context.read() }
        case .dialing, .closing: return
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, case .exchanging(let exchange) = state { exchange.upstream.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event as? ChannelEvent == .inputClosed else { return context.fireUserInboundEventTriggered(event) }
        hasEnded = true
        switch state {
        case .waiting, .draining: close(context)
        case .dialing, .exchanging, .closing: return
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // What came behind the last request: its answer is still to be written.
        if case .closing = state, error is HTTPParserError { return }
        guard case .waiting = state, error is HTTPParserError else { return abort(context) }
        let reason = EgressRecord.Reason(.malformed, "this is a proxy, and what it was sent is not HTTP/1.1: \(error)")
        refuse(reason, nil, then: .closing, context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        closeUpstream()
    }

    // MARK: A request

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        do {
            let proxied = try ProxyRequest(head)
            if isOverLimit {
                return refuse(
                    dialer.policy.limits.connectionsReached, proxied, then: .draining(keepsConnection: false), context)
            }
            let dialer = self.dialer
            let loop = context.eventLoop
            let outcome = loop.makePromise(of: EgressDialer.Outcome.self)
            let dial = outcome.completeWithTask { await dialer.dial(proxied, on: loop) }
            state = .dialing(Request(version: head.version, proxied: proxied), dial: dial, parts: [])
            outcome.futureResult.assumeIsolated().whenSuccess { self.dialed($0, context) }
        } catch {
            // Where its body ends may be just what is wrong with it.
            refuse(error, nil, then: .closing, context)
        }
    }

    private func refuse(
        _ reason: EgressRecord.Reason, _ request: ProxyRequest?, then next: State, _ context: ChannelHandlerContext
    ) {
        dialer.ledger.file(
            EgressRecord(reason.verdict, method: request?.method.rawValue, target: request?.target, reason: reason))
        answer(reason, then: next, context)
    }

    private func dialed(_ outcome: EgressDialer.Outcome, _ context: ChannelHandlerContext) {
        if outcome.channel == nil { dialer.ledger.file(outcome.record) }
        guard case .dialing(let request, _, let parts) = state, context.channel.isActive else {
            outcome.channel?.close(promise: nil)
            return
        }
        guard let upstream = outcome.channel else {
            let reason = outcome.record.reason ?? .init(.unreachable, "\(request.proxied.target) cannot be reached")
            return giveUp(reason, request, requestIsComplete: parts.contains { $0.isEnd }, context)
        }
        do {
            if let head = request.proxied.forwarded {
                try exchange(head, parts, Exchange(request: request, upstream: upstream), context)
            } else {
                try tunnel(to: upstream, request, context)
            }
        } catch {
            // It has closed already.
            upstream.close(promise: nil)
            giveUp(noAnswer(request), request, requestIsComplete: parts.contains { $0.isEnd }, context)
        }
    }

    private func noAnswer(_ request: Request) -> EgressRecord.Reason {
        .init(.badAnswer, "\(request.proxied.target) closed the connection without an answer")
    }

    /// Answers in the host's place.
    private func giveUp(
        _ reason: EgressRecord.Reason, _ request: Request, requestIsComplete: Bool, _ context: ChannelHandlerContext
    ) {
        // A client that waits for 100 Continue may take this answer and not send the body at all.
        let waits = request.proxied.forwarded?.headers.contains(name: "expect") ?? false
        let keeps = request.proxied.keepsConnection && !waits
        answer(reason, then: afterAnswer(keepsConnection: keeps, requestIsComplete: requestIsComplete), context)
    }

    // MARK: Plain HTTP

    private func exchange(
        _ head: HTTPRequestHead, _ parts: [HTTPServerRequestPart], _ exchange: Exchange,
        _ context: ChannelHandlerContext
    ) throws {
        let upstream = exchange.upstream
        var requestConfiguration = HTTPRequestEncoder.Configuration()
        requestConfiguration.automaticallySetFramingHeaders = false
        try upstream.pipeline.syncOperations.addHandlers([
            HTTPRequestEncoder(configuration: requestConfiguration),
            ByteToMessageHandler(HTTPResponseDecoder(informationalResponseStrategy: .forward)),
            AnswerHandler(proxy: self),
        ])
        state = .exchanging(exchange)
        upstream.write(HTTPClientRequestPart.head(head), promise: nil)
        for part in parts {
            if case .exchanging(let exchange) = state { send(part, exchange) }
        }
        upstream.flush()
        try EarlyBytes.handOn(in: upstream)
        upstream.read()
        readOn(context)
    }

    private func send(_ part: HTTPServerRequestPart, _ exchange: Exchange) {
        switch part {
        case .head: return
        case .body(let bytes): exchange.upstream.write(HTTPClientRequestPart.body(.byteBuffer(bytes)), promise: nil)
        case .end:
            exchange.upstream.write(HTTPClientRequestPart.end(nil), promise: nil)
            var exchange = exchange
            exchange.requestIsComplete = true
            state = .exchanging(exchange)
        }
    }

    /// A part of the host's answer.
    func take(_ part: HTTPClientResponsePart, from upstream: any Channel) {
        guard case .exchanging(var exchange) = state, exchange.upstream === upstream, let context else { return }
        switch part {
        case .head(let head) where head.status == .switchingProtocols:
            failed(.init(.badAnswer, "\(exchange.request.proxied.target) changed the protocol unasked"), upstream)
        case .head(let head) where head.status.code < 200:
            guard exchange.request.version == .http1_1 else { return }
            let passed = HTTPResponseHead(version: .http1_1, status: head.status, headers: head.headers.withoutHopByHop)
            context.write(wrapOutboundOut(.head(passed)), promise: nil)
        case .head(let head):
            let request = exchange.request
            let answer = ProxyResponse(
                head, to: request.proxied.method, version: request.version,
                keepsConnection: request.proxied.keepsConnection && !hasEnded)
            exchange.answerHasBegun = true
            exchange.keepsConnection = answer.keepsConnection
            state = .exchanging(exchange)
            context.write(wrapOutboundOut(.head(answer.head)), promise: nil)
        case .body(let bytes): context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
        case .end:
            let next = afterAnswer(
                keepsConnection: exchange.keepsConnection, requestIsComplete: exchange.requestIsComplete)
            endAnswer(then: next, context)
            upstream.close(promise: nil)
        }
    }

    /// What the host has sent so far is passed on.
    func takeComplete(from upstream: any Channel) {
        guard case .exchanging(let exchange) = state, exchange.upstream === upstream, let context else { return }
        context.flush()
        if context.channel.isWritable { upstream.read() }
    }

    /// The host takes more of the request.
    func canSend(to upstream: any Channel) {
        guard case .exchanging(let exchange) = state, exchange.upstream === upstream, let context else { return }
        readOn(context)
    }

    /// The connection to the host has ended before its answer has.
    func failed(_ reason: EgressRecord.Reason?, _ upstream: any Channel) {
        guard case .exchanging(let exchange) = state, exchange.upstream === upstream, let context else { return }
        // A client must not take the part that it has for the whole.
        guard !exchange.answerHasBegun else { return abort(context) }
        giveUp(
            reason ?? noAnswer(exchange.request), exchange.request, requestIsComplete: exchange.requestIsComplete,
            context)
        upstream.close(promise: nil)
    }

    // MARK: A tunnel

    private func tunnel(to upstream: any Channel, _ request: Request, _ context: ChannelHandlerContext) throws {
        let client = context.channel
        try upstream.pipeline.syncOperations.addHandler(TunnelHandler(partner: client))
        try client.pipeline.syncOperations.addHandler(TunnelHandler(partner: upstream))
        let established = HTTPResponseStatus.custom(code: 200, reasonPhrase: "Connection established")
        context.write(wrapOutboundOut(.head(.init(version: request.version, status: established))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        client.closeFuture.whenComplete { _ in
            upstream.triggerUserOutboundEvent(UpstreamMeter.AgentHasGone(), promise: nil)
        }
        state = .closing
        let isHalfClosed = hasEnded
        try ProxyPipeline.remove(from: client).assumeIsolated().whenComplete { _ in
            // The decoder may have held what the client sent right behind its request.
            upstream.flush()
            if isHalfClosed { client.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
            // One that has closed meanwhile has nothing more to say.
            try? EarlyBytes.handOn(in: upstream)
            client.read()
            upstream.read()
        }
    }

    // MARK: The end of a request, and of the connection

    private func afterAnswer(keepsConnection: Bool, requestIsComplete: Bool) -> State {
        guard requestIsComplete else { return .draining(keepsConnection: keepsConnection) }
        return keepsConnection && !hasEnded ? .waiting : .closing
    }

    /// Text in place of a host's answer.
    private func answer(_ reason: EgressRecord.Reason, then next: State, _ context: ChannelHandlerContext) {
        let keepsConnection =
            switch next {
            case .waiting: true
            case .draining(let keeps): keeps
            default: false
            }
        let head = ProxyResponse(reason, keepsConnection: keepsConnection).head
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        let body = ByteBuffer(string: ProxyResponse.body(reason))
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        endAnswer(then: next, context)
    }

    private func endAnswer(then next: State, _ context: ChannelHandlerContext) {
        // Before the write: it may bring a request that was sent behind this one.
        state = next
        armDeadline(context)
        let written = context.eventLoop.makePromise(of: Void.self)
        answerWritten = written.futureResult
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
        if case .closing = next { close(context) } else { readOn(context) }
    }

    private func requestEnded(keepsConnection: Bool, _ context: ChannelHandlerContext) {
        guard keepsConnection, !hasEnded else { return close(context) }
        state = .waiting
        armDeadline(context)
    }

    /// Ends the connection behind the answer: closing drops what is not written.
    private func close(_ context: ChannelHandlerContext) {
        state = .closing
        guard let answerWritten else { return abort(context) }
        answerWritten.assumeIsolated().whenComplete { _ in self.abort(context) }
    }

    /// Ends the connection at once, whatever is going on.
    private func abort(_ context: ChannelHandlerContext) {
        closeUpstream()
        context.close(promise: nil)
    }

    private func closeUpstream() {
        deadline?.cancel()
        let last = state
        // Before it closes, which is told here.
        state = .closing
        switch last {
        case .dialing(_, let dial, _): dial.cancel()
        case .exchanging(let exchange): exchange.upstream.close(promise: nil)
        case .waiting, .draining, .closing: return
        }
    }

    private func armDeadline(_ context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(dialer.policy.limits.head)) {
            self.abort(context)
        }
    }

    private var context: ChannelHandlerContext?
    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }
}

extension HTTPServerRequestPart {
    fileprivate var isEnd: Bool { if case .end = self { true } else { false } }
}
