import NIOConcurrencyHelpers
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
    /// Of the kernel, for each direction. Left alone they grow to megabytes: all of the received is read when the host
    /// closes, whether the agent takes it or not, and a host that takes nothing would have all of the other held for it.
    private static let socketBuffer = 256 << 10
    static let writeMarks = ChannelOptions.Types.WriteBufferWaterMark(low: 32 << 10, high: 64 << 10)

    /// Cancelling the task ends it early.
    func dial(_ request: ProxyRequest, on loop: any EventLoop) async -> Outcome {
        let target = request.target
        var record = EgressRecord(.allowed, method: request.method.rawValue, target: target)
        do {
            guard policy.allows(target) else {
                throw EgressRecord.Reason(.notListed, "\(target) is not in the allow-list")
            }
            if ledger.isExhausted { throw policy.limits.bytesReached }
            try ledger.takePlace()
        } catch {
            return failed(record, error)
        }
        let attempt = DialAttempt()
        let lookup = loop.makePromise(of: [IPAddress].self)
        let lookupTask = lookup.completeWithTask { try await addresses(of: target.host) }
        do {
            let channel = try await withTaskCancellationHandler {
                let addresses = try await inTime(lookup.futureResult, of: target.host)
                let own = try HostAddresses.current()
                let allowed = addresses.filter { policy.objection(to: $0, ofHost: own) == nil }
                guard !allowed.isEmpty else {
                    record.address = addresses.first?.description
                    throw refusal(of: addresses, ofHost: own, for: target)
                }
                return try await connect(allowed.prefix(Self.addressLimit), target, &record, attempt, on: loop)
            } onCancel: {
                lookupTask.cancel()
                attempt.abandon()
            }
            // From here on its place is the meter's.
            return Outcome(record: record, channel: channel)
        } catch {
            // A lookup that is late goes on; one that waits for a thread has no need to begin.
            lookupTask.cancel()
            lookup.futureResult.whenComplete { _ in ledger.leavePlace() }
            return failed(record, error)
        }
    }

    private func failed(_ record: EgressRecord, _ error: any Error) -> Outcome {
        let target = "\(record.host ?? ""):\(record.port ?? 0)"
        let reason: EgressRecord.Reason =
            if Task.isCancelled {
                .init(.abandoned, "the agent closed before \(target) was connected")
            } else {
                error as? EgressRecord.Reason ?? .init(.unreachable, "\(target) cannot be reached: \(error)")
            }
        var record = record
        record.verdict = reason.verdict
        record.reason = reason
        return Outcome(record: record)
    }

    // MARK: Names

    private func addresses(of host: EgressHost) async throws -> [IPAddress] {
        switch host {
        case .address(let address): [address]
        case .name(let name): try await resolver.addresses(of: name)
        }
    }

    private func inTime(_ lookup: EventLoopFuture<[IPAddress]>, of host: EgressHost) async throws -> [IPAddress] {
        let limit = policy.limits.resolve
        let late = EgressRecord.Reason(.timeout, "\(host) was not resolved within \(limit.inSeconds)")
        return try await lookup.within(TimeAmount(limit), orFail: late).get()
    }

    private func refusal(
        of addresses: [IPAddress], ofHost own: Set<IPAddress>, for target: EgressTarget
    ) -> EgressRecord.Reason {
        guard let address = addresses.first, let what = policy.objection(to: address, ofHost: own) else {
            return .init(.unresolved, "\(target.host) has no address")
        }
        if case .address = target.host { return .init(.reservedAddress, "\(target.host) is \(what)") }
        return .init(.reservedAddress, "\(target.host) leads to \(address), which is \(what)")
    }

    // MARK: Connections

    /// To exactly the addresses that were checked: a name is never resolved twice.
    private func connect(
        _ addresses: ArraySlice<IPAddress>, _ target: EgressTarget, _ record: inout EgressRecord,
        _ attempt: DialAttempt, on loop: any EventLoop
    ) async throws -> any Channel {
        let limit = policy.limits.connect / addresses.count
        var failure = EgressRecord.Reason(.unreachable, "\(target) has no address")
        for address in addresses {
            record.address = address.description
            do {
                return try await connect(address, target.port, record, attempt, timeout: limit, on: loop)
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
        _ address: IPAddress, _ port: Int, _ record: EgressRecord, _ attempt: DialAttempt, timeout: Duration,
        on loop: any EventLoop
    ) async throws -> any Channel {
        let limits = policy.limits
        let ledger = self.ledger
        return try await ClientBootstrap(group: loop)
            .connectTimeout(TimeAmount(timeout))
            .channelOption(.autoRead, value: false)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelOption(.writeBufferWaterMark, value: Self.writeMarks)
            .channelOption(.socketOption(.so_rcvbuf), value: Self.socketBuffer)
            .channelOption(.socketOption(.so_sndbuf), value: Self.socketBuffer)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try attempt.begin(channel)
                    try ledger.admit(upstream: channel)
                    try channel.pipeline.syncOperations.addHandlers([
                        IdleStateHandler(allTimeout: TimeAmount(limits.idle)),
                        UpstreamMeter(record, ledger: ledger, limits: limits),
                        EarlyBytes(),
                    ])
                }
            }
            .connect(to: SocketAddress(ipAddress: address.description, port: port))
            .get()
    }
}

/// What a dial has begun, until nobody wants it any more.
private final class DialAttempt: Sendable {
    private struct State {
        var isAbandoned = false
        /// The last that was begun.
        var channel: (any Channel)?
    }

    private let state = NIOLockedValueBox(State())

    func begin(_ channel: any Channel) throws {
        try state.withLockedValue { state in
            if state.isAbandoned { throw CancellationError() }
            state.channel = channel
        }
    }

    func abandon() {
        let channel = state.withLockedValue { state in
            state.isAbandoned = true
            return state.channel
        }
        channel?.close(promise: nil)
    }
}

extension EgressPolicy.Limits {
    var bytesReached: EgressRecord.Reason {
        .init(.byteLimit, "the execution's limit of \(bytes ?? 0) bytes of egress is reached")
    }

    var connectionsReached: EgressRecord.Reason {
        .init(.connectionLimit, "more than \(connections) connections at once")
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
    var inSeconds: String { "\((self / .seconds(1)).plain) s" }
}
