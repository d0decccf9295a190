import Foundation

/// A receipt with its signature, as it is in a file; docs/receipts.md.
///
/// The signature is of the canonical form of the receipt's JSON value, and not of the text: the document may be
/// formatted anew, or kept in a database's own form, and still holds.
public struct SignedReceipt: Sendable, Equatable {
    static let algorithm = "Ed25519"

    private let receipt: JSONValue
    /// Of the key that it says it is signed with.
    public let keyID: String
    private let signature: [UInt8]

    init(receipt: JSONValue, keyID: String, signature: [UInt8]) {
        self.receipt = receipt
        self.keyID = keyID
        self.signature = signature
    }

    /// Reads a document. Nothing in it is to be believed before it is verified.
    /// - Throws: ``ReceiptFault``.
    public init(parsing text: [UInt8]) throws {
        func refuse(_ why: String) -> ReceiptFault { ReceiptFault(.notAReceipt, "not a receipt: \(why)") }
        let document: JSONValue
        do {
            document = try JSONValue(parsing: text)
        } catch {
            throw refuse("\(error)")
        }
        guard case .object(let members) = document else { throw refuse("it is not a JSON object") }
        // What is beside the receipt is not signed, so there is no room for more of it.
        guard Set(members.keys) == ["algorithm", "keyId", "receipt", "signature"] else {
            throw refuse("its members must be algorithm, keyId, receipt and signature")
        }
        guard members["algorithm"] == .string(Self.algorithm) else {
            throw refuse("its algorithm must be \(Self.algorithm)")
        }
        guard case .string(let keyID) = members["keyId"], keyID.utf8.count == 64,
            keyID.utf8.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit })
        else { throw refuse("its keyId must be 64 hexadecimal digits") }
        guard case .string(let encoded) = members["signature"],
            let signature = Data(base64Encoded: encoded), signature.count == 64
        else { throw refuse("its signature must be 64 bytes in base64") }
        guard let receipt = members["receipt"], case .object = receipt else {
            throw refuse("there is no receipt in it")
        }
        self.init(receipt: receipt, keyID: keyID, signature: [UInt8](signature))
    }

    /// What it says, if it holds.
    /// - Parameter keys: that are trusted.
    /// - Throws: ``ReceiptFault``.
    public func verified(with keys: [VerificationKey]) throws -> Receipt {
        guard let key = keys.first(where: { $0.id == keyID }) else {
            let known = keys.map { $0.id.prefix(16) + "…" }.joined(separator: ", ")
            throw ReceiptFault(.unknownKey, "signed with the key \(keyID.prefix(16))…, and what is known is \(known)")
        }
        guard let message = try? receipt.canonical(), key.isValid(signature, of: message) else {
            throw ReceiptFault(
                .changed, "the receipt or its signature was changed, or it was never signed with the key that it names")
        }
        let receipt = try decoded(message)
        // A key is read after the execution has ended, so whoever signs for a later one took the key.
        if let retiredAt = key.retiredAt, receipt.finishedAt > retiredAt {
            throw ReceiptFault(
                .retiredKey, "signed with a key that was retired at \(retiredAt), before the execution ended")
        }
        return receipt
    }

    private func decoded(_ text: [UInt8]) throws -> Receipt {
        do {
            return try JSONDecoder().decode(Receipt.self, from: Data(text))
        } catch let error as DecodingError {
            throw ReceiptFault(.notAReceipt, "not a receipt: \(error.words)")
        }
    }

    /// The file's contents: one JSON document.
    public func serialized() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let document: [String: JSONValue] = [
            "algorithm": .string(Self.algorithm), "keyId": .string(keyID), "receipt": receipt,
            "signature": .string(Data(signature).base64EncodedString()),
        ]
        return [UInt8](try encoder.encode(document)) + [UInt8(ascii: "\n")]
    }
}
