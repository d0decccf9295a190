import DockerAPI

/// Which of its two streams an agent has written to.
public enum LogSource: String, Sendable {
    case stdout, stderr
}

extension LogRecord {
    /// nil for what tells of missing bytes.
    public var source: LogSource? {
        switch content {
        case .bytes(_, .stdout): .stdout
        case .bytes(_, .stderr): .stderr
        case .truncated, .gap: nil
        }
    }
}
