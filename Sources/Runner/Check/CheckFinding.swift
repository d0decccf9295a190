/// One thing that `paddock check` has to say about an agent.
public struct CheckFinding: Sendable, Encodable {
    public enum Severity: String, Sendable, Encodable {
        /// The agent will not do as it is.
        case error
        /// It runs, and somebody will be surprised.
        case warning
        /// It could be better.
        case suggestion
    }

    public let severity: Severity
    public let message: String

    static func error(_ message: String) -> CheckFinding { CheckFinding(severity: .error, message: message) }
    static func warning(_ message: String) -> CheckFinding { CheckFinding(severity: .warning, message: message) }
    static func suggestion(_ message: String) -> CheckFinding { CheckFinding(severity: .suggestion, message: message) }
}
