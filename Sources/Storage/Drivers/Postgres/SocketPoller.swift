import CPostgres
import Foundation
import Glibc
import NIOConcurrencyHelpers

/// Tells tasks when their sockets can be read or written: one thread, which ends with this object.
final class SocketPoller: Sendable {
    private static let stopToken: UInt64 = 0

    private struct State {
        var waiting: [UInt64: OneShot<Void>] = [:]
        var lastToken = stopToken
    }

    private let epoll: CInt
    private let stop: CInt
    private let state: NIOLockedValueBox<State>

    /// - Throws: ``DatabaseError`` with code `database_unavailable` when the process has no descriptor left.
    init() throws {
        epoll = epoll_create1(CInt(EPOLL_CLOEXEC))
        stop = eventfd(0, CInt(EFD_CLOEXEC))
        guard epoll >= 0, stop >= 0 else {
            let reason = String(cString: strerror(errno))
            if epoll >= 0 { close(epoll) }
            if stop >= 0 { close(stop) }
            throw DatabaseError(
                .databaseUnavailable,
                "no connection to PostgreSQL can be waited for: \(reason). Raise the limit of open files")
        }
        state = NIOLockedValueBox(State())
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: Self.stopToken))
        epoll_ctl(epoll, EPOLL_CTL_ADD, stop, &event)
        let thread = Thread { [epoll, stop, state] in Self.poll(epoll, stop, state) }
        thread.name = "paddock-postgres"
        thread.start()
    }

    deinit { eventfd_write(stop, 1) }

    /// Waits until the socket can be read, or also written, or has been closed by the other side. A socket is waited
    /// for by one task at a time, and not closed meanwhile.
    /// - Parameter shot: what the poller gives; somebody else may give it earlier.
    /// - Throws: what `late` makes at the deadline; `CancellationError`.
    func wait(
        for socket: CInt, orWriting: Bool = false, until deadline: ContinuousClock.Instant, isCancellable: Bool = true,
        shot: OneShot<Void> = OneShot(), late: @escaping @Sendable () -> any Error
    ) async throws {
        let token = state.withLockedValue { state in
            state.lastToken += 1
            state.waiting[state.lastToken] = shot
            return state.lastToken
        }
        defer { _ = state.withLockedValue { $0.waiting.removeValue(forKey: token) } }
        let events = EPOLLIN.rawValue | EPOLLRDHUP.rawValue | EPOLLONESHOT.rawValue
        var event = epoll_event(
            events: orWriting ? events | EPOLLOUT.rawValue : events, data: epoll_data_t(u64: token))
        guard epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) == 0 else { throw late() }
        defer { epoll_ctl(epoll, EPOLL_CTL_DEL, socket, nil) }
        try await shot.value(until: deadline, isCancellable: isCancellable, late: late)
    }

    private static func poll(_ epoll: CInt, _ stop: CInt, _ state: NIOLockedValueBox<State>) {
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        while true {
            let count = Int(epoll_wait(epoll, &events, CInt(events.count), -1))
            for event in events.prefix(max(count, 0)) {
                if event.data.u64 == stopToken {
                    close(epoll)
                    close(stop)
                    return
                }
                let shot = state.withLockedValue { $0.waiting[event.data.u64] }
                shot?.give(.success(()))
            }
        }
    }
}
