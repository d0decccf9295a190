import NIOCore
import NIOHTTP1
import NIOPosix

/// Decides whether a request may go out, and connects it.
struct EgressDialer: Sendable {
    let policy: EgressPolicy
    let resolver: any EgressResolver
    let ledger: EgressLedger

    /// What became of a request: a connection, or the record's reason.
    struct Outcome: Sendable {
        var record: EgressRecord
        var channel: (any Channel)?
    }

    /// More addresses of one name are not tried.
    private static let addressLimit = 4
    /// The kernel's own receive buffer grows to megabytes, and all of it is read when the host closes, whether the
    /// agent takes it or not.
    private static let receiveBuffer = 256 << 10
    static let writeMarks = ChannelOptions.Types.WriteBufferWaterMark(low: 32 << 10, high: 64 << 10)

    func dial(_ request: ProxyRequest, on loop: any EventLoop) async -> Outcome {
        let target = request.target
        var record = EgressRecord(.allowed, method: request.method.rawValue, target: target)
        do {
            guard policy.allows(target) else {
                throw EgressRecord.Reason(.notListed, "\(target) is not in the allow-list")
            }
            if ledger.isExhausted { throw byteLimitReached }
            let addresses = try await addresses(of: target.host, on: loop)
            let allowed = addresses.filter { policy.objection(to: $0) == nil }
            guard !allowed.isEmpty else {
                record.address = addresses.first?.description
                throw refusal(of: addresses, for: target)
            }
            let channel = try await connect(allowed.prefix(Self.addressLimit), target, &record, on: loop)
            return Outcome(record: record, channel: channel)
        } catch {
            let reason = error as? EgressRecord.Reason ?? .init(.unreachable, "\(target) cannot be reached: \(error)")
            record.verdict = reason.verdict
            record.reason = reason
            return Outcome(record: record)
        }
    }

    private var byteLimitReached: EgressRecord.Reason { Self.byteLimitReached(policy.limits) }

    static func byteLimitReached(_ limits: EgressPolicy.Limits) -> EgressRecord.Reason {
        .init(.byteLimit, "the execution's limit of \(limits.bytes ?? 0) bytes of egress is reached")
    }

    // MARK: Names

    private func addresses(of host: EgressHost, on loop: any EventLoop) async throws -> [IPAddress] {
        switch host {
        case .address(let address): return [address]
        case .name(let name):
            let resolver = self.resolver
            let limit = policy.limits.resolve
            let late = EgressRecord.Reason(.timeout, "\(name) was not resolved within \(limit.inSeconds)")
            let lookup = loop.makeFutureWithTask { try await resolver.addresses(of: name) }
            return try await lookup.within(TimeAmount(limit), orFail: late).get()
        }
    }

    private func refusal(of addresses: [IPAddress], for target: EgressTarget) -> EgressRecord.Reason {
        guard let address = addresses.first, let what = policy.objection(to: address) else {
            return .init(.unresolved, "\(target.host) has no address")
        }
        if case .address = target.host { return .init(.reservedAddress, "\(target.host) is \(what)") }
        return .init(.reservedAddress, "\(target.host) leads to \(address), which is \(what)")
    }

    // MARK: Connections

    /// To exactly the addresses that were checked: a name is never resolved twice.
    private func connect(
        _ addresses: ArraySlice<IPAddress>, _ target: EgressTarget, _ record: inout EgressRecord, on loop: any EventLoop
    ) async throws -> any Channel {
        let limit = policy.limits.connect / addresses.count
        var failure = EgressRecord.Reason(.unreachable, "\(target) has no address")
        for address in addresses {
            record.address = address.description
            do {
                return try await connect(address, target.port, record, timeout: limit, on: loop)
            } catch is ChannelError {
                failure = .init(.timeout, "\(target) (\(address)) did not answer within \(limit.inSeconds)")
            } catch let error as IOError {
                failure = .init(
                    .unreachable, "\(target) (\(address)) cannot be reached: \(Errno.message(error.errnoCode))")
            }
        }
        throw failure
    }

    private func connect(
        _ address: IPAddress, _ port: Int, _ record: EgressRecord, timeout: Duration, on loop: any EventLoop
    ) async throws -> any Channel {
        let limits = policy.limits
        let ledger = self.ledger
        return try await ClientBootstrap(group: loop)
            .connectTimeout(TimeAmount(timeout))
            .channelOption(.autoRead, value: false)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelOption(.writeBufferWaterMark, value: Self.writeMarks)
            .channelOption(.socketOption(.so_rcvbuf), value: Self.receiveBuffer)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try ledger.admit(upstream: channel)
                    try channel.pipeline.syncOperations.addHandlers([
                        IdleStateHandler(allTimeout: TimeAmount(limits.idle)),
                        UpstreamMeter(record, ledger: ledger, limits: limits),
                    ])
                }
            }
            .connect(to: SocketAddress(ipAddress: address.description, port: port))
            .get()
    }
}

extension EventLoopFuture where Value: Sendable {
    /// The value, if it comes in time.
    fileprivate func within(_ limit: TimeAmount, orFail error: any Error) -> EventLoopFuture<Value> {
        let promise = eventLoop.makePromise(of: Value.self)
        let isDone = NIOLoopBoundBox.makeBoxSendingValue(false, eventLoop: eventLoop)
        let timer = eventLoop.scheduleTask(in: limit) {
            guard !isDone.value else { return }
            isDone.value = true
            promise.fail(error)
        }
        whenComplete { result in
            guard !isDone.value else { return }
            isDone.value = true
            timer.cancel()
            promise.completeWith(result)
        }
        return promise.futureResult
    }
}

extension Duration {
    /// `10 s`, `0.25 s`.
    fileprivate var inSeconds: String { "\((self / .seconds(1)).plain) s" }
}
