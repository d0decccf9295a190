import Dispatch
import Foundation
import Glibc

/// Notices that the reader of a pipe has gone before the next write does: poll(2) reports POLLERR then.
enum ReaderWatch {
    /// F_GETPIPE_SZ, which answers for pipes only; glibc's header shows it to those that ask for GNU's additions.
    private static let pipeSize: CInt = 1032

    /// - Parameter onGone: called once, on a thread of its own. Never for a file or a terminal that stays open.
    static func start(descriptor: CInt, onGone: @escaping @Sendable () -> Void) {
        guard fcntl(descriptor, pipeSize) >= 0 else { return }
        // Blocks in poll for as long as the process lives.
        let thread = DispatchQueue(label: "reader-watch")
        thread.async {
            var poll = pollfd(fd: descriptor, events: 0, revents: 0)
            while Glibc.poll(&poll, 1, -1) < 0, errno == EINTR {}
            if Int32(poll.revents) & POLLERR != 0 { onGone() }
        }
    }
}
