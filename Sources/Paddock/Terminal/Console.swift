import Glibc

/// Everything that is not data goes to stderr, through here.
enum Console {
    static let isTerminal = isatty(STDERR_FILENO) == 1

    static func error(_ message: String) { line("paddock: \(message)") }

    static func line(_ text: String) { raw(text + "\n") }

    static func raw(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
            if count < 0 {
                guard errno == EINTR || errno == EAGAIN else { return }
                waitForRoom(STDERR_FILENO)
                continue
            }
            bytes = bytes.dropFirst(count)
        }
    }

    /// Blocks until a non-blocking descriptor takes bytes again.
    static func waitForRoom(_ descriptor: CInt) {
        var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        Glibc.poll(&poll, 1, 1000)
    }
}
