/// What an agent costs: a decimal number and a token.
public struct Price: Sendable, Equatable {
    /// The token whose prices are charged per execution, from the user's account. One in another token is bought once.
    public static let chargedToken = "USD"

    /// A decimal number, as `0`, `0.25` or `12.00`.
    public let amount: String
    /// `USD`, or a token's symbol.
    public let token: String
    /// What one execution costs: 0 for a price in another token.
    public let centsPerExecution: Int
    /// Whether the amount is 0.
    public let isFree: Bool

    /// - Throws: ``EntitlementError`` with the fields `price` and `priceToken`.
    public init(amount: String, token: String) throws {
        var wrong: [EntitlementError.Field] = []
        let parts = amount.split(separator: ".", omittingEmptySubsequences: false)
        let isDigits = parts.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { (48...57).contains($0) } }
        let decimals = parts.count == 2 ? parts[1] : ""
        if !isDigits || parts.count > 2 || parts[0].count > 12 || decimals.count > 18 {
            wrong.append(.init(path: "price", message: "must be a decimal number such as 0.25, is '\(amount)'"))
        }
        let significant = decimals.reversed().drop { $0 == "0" }
        if wrong.isEmpty, token == Self.chargedToken, significant.count > 2 {
            wrong.append(.init(path: "price", message: "in USD has whole cents, is \(amount)"))
        }
        let isSymbol =
            (1...20).contains(token.utf8.count)
            && token.utf8.allSatisfy { (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) }
        if !isSymbol {
            wrong.append(.init(path: "priceToken", message: "must be 1 to 20 letters and digits, is '\(token)'"))
        }
        if !wrong.isEmpty { throw EntitlementError(validating: wrong) }
        self.amount = amount
        self.token = token
        isFree = amount.allSatisfy { $0 == "0" || $0 == "." }
        let hundredths = (decimals.prefix(2) + "00").prefix(2)
        centsPerExecution = token == Self.chargedToken ? Int(parts[0] + hundredths) ?? 0 : 0
    }
}
