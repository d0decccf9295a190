/// Why a receipt does not hold.
public struct ReceiptFault: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: String, Sendable, Codable {
        /// Not JSON, or not in the form of a signed receipt.
        case notAReceipt = "not_a_receipt"
        /// Signed with a key that is not among those it was checked with.
        case unknownKey = "unknown_key"
        /// The signature is not that key's of these contents.
        case changed
        /// Signed with a key that was out of use when the execution ended.
        case retiredKey = "retired_key"
    }

    public let code: Code
    public let message: String
    public var description: String { message }

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}
