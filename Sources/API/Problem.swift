/// What went wrong, as the HTTP API says it (RFC 9457).
///
/// Codes and statuses: the contract, §5.
struct Problem: Error, Sendable {
    let status: Int
    let code: String
    let title: String
    let detail: String
}
