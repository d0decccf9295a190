import NIOConcurrencyHelpers
import NIOCore

/// What one execution's connections add up to. Every channel of its proxy is known here until it has closed.
final class EgressLedger: Sendable {
    enum Admission {
        case admitted
        /// One too many: it is told so.
        case overLimit
        /// Far too many, or the proxy is closing.
        case turnedAway
    }

    /// Connections beyond the limit that are kept for long enough to be told.
    private static let told = 64

    private struct State {
        var isClosed = false
        var clients = 0
        /// Taken by connections to hosts.
        var places = 0
        var channels: [ObjectIdentifier: any Channel] = [:]
        var report = EgressReport()
    }

    private let limits: EgressPolicy.Limits
    private let sink: (any EgressSink)?
    private let state = NIOLockedValueBox(State())

    init(limits: EgressPolicy.Limits, sink: (any EgressSink)?) {
        self.limits = limits
        self.sink = sink
    }

    /// Takes in a connection from the sandbox.
    func admit(client: any Channel) -> Admission {
        let admission: Admission = state.withLockedValue { state in
            guard !state.isClosed, state.clients < limits.connections + Self.told else { return .turnedAway }
            state.clients += 1
            state.channels[ObjectIdentifier(client)] = client
            return state.clients > limits.connections ? .overLimit : .admitted
        }
        if admission != .turnedAway {
            client.closeFuture.whenComplete { [self] _ in
                state.withLockedValue {
                    $0.clients -= 1
                    $0.channels[ObjectIdentifier(client)] = nil
                }
            }
        }
        return admission
    }

    /// Takes a place for a connection to a host: from before its name is resolved until it has closed. The agent's end may
    /// be long gone by then, so its connections alone would bound nothing.
    /// - Throws: the reason, where all are taken.
    func takePlace() throws(EgressRecord.Reason) {
        let isTaken = state.withLockedValue { state in
            guard state.places < limits.connections else { return false }
            state.places += 1
            return true
        }
        guard isTaken else { throw limits.connectionsReached }
    }

    func leavePlace() { state.withLockedValue { $0.places -= 1 } }

    /// Takes in a connection to a host.
    /// - Throws: when the proxy is closing.
    func admit(upstream: any Channel) throws {
        try state.withLockedValue { state in
            guard !state.isClosed else { throw ChannelError.alreadyClosed }
            state.channels[ObjectIdentifier(upstream)] = upstream
        }
        upstream.closeFuture.whenComplete { [self] _ in
            state.withLockedValue { $0.channels[ObjectIdentifier(upstream)] = nil }
        }
    }

    /// Whether as many bytes as the limit allows have gone through.
    var isExhausted: Bool {
        guard let limit = limits.bytes else { return false }
        return state.withLockedValue { $0.report.bytes >= limit }
    }

    /// Counts bytes that are about to go through.
    /// - Returns: false where the limit does not allow them; they are not counted then.
    func count(sent: Int = 0, received: Int = 0) -> Bool {
        state.withLockedValue { state in
            if let limit = limits.bytes, state.report.bytes + Int64(sent + received) > limit { return false }
            state.report.sentBytes += Int64(sent)
            state.report.receivedBytes += Int64(received)
            return true
        }
    }

    func file(_ record: EgressRecord) {
        state.withLockedValue { state in
            state.report.counts.count(record.verdict)
            if state.report.records.count < EgressReport.recordLimit {
                state.report.records.append(record)
            } else {
                state.report.droppedRecords += 1
            }
        }
        sink?.take(record)
    }

    var report: EgressReport { state.withLockedValue { $0.report } }

    /// Closes every channel; from now on none is admitted.
    func close() async {
        let channels = state.withLockedValue { state in
            state.isClosed = true
            return Array(state.channels.values)
        }
        for channel in channels { channel.close(promise: nil) }
        for channel in channels { try? await channel.closeFuture.get() }
    }
}
