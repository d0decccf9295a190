import Glibc

/// Everything that is not data goes to stderr, through here.
enum Console {
    static let isTerminal = isatty(STDERR_FILENO) == 1

    static func error(_ message: String) { line("paddock: \(message)") }

    static func line(_ text: String) { raw(text + "\n") }

    /// There is nowhere to tell that stderr cannot be written.
    static func raw(_ text: String) { _ = StandardStreams.write(Array(text.utf8)[...], to: STDERR_FILENO) }
}
