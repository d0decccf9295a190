import Crypto
import Foundation

/// The private key that receipts are signed with: Ed25519, RFC 8032. ``KeyFolder`` keeps it.
public struct SigningKey: Sendable {
    private let key: Curve25519.Signing.PrivateKey

    private static let label = "PRIVATE KEY"
    /// What comes before the key's 32 bytes in PKCS #8; RFC 8410.
    private static let prefix: [UInt8] = [
        0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ]

    /// A new one.
    init() { key = Curve25519.Signing.PrivateKey() }

    /// nil for text that holds no such key.
    init?(pem: String) {
        let blocks = PEM.blocks(in: pem, label: Self.label)
        guard blocks.count == 1, let der = blocks[0], der.starts(with: Self.prefix),
            let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: der.dropFirst(Self.prefix.count))
        else { return nil }
        self.key = key
    }

    var pem: String { PEM.text(Self.prefix + key.rawRepresentation, label: Self.label) }

    /// The public half.
    public var verificationKey: VerificationKey { VerificationKey(key.publicKey) }

    /// Signs the receipt's canonical form.
    public func sign(_ receipt: Receipt) throws -> SignedReceipt { try sign(value: JSONValue(encoding: receipt)) }

    func sign(value: JSONValue) throws -> SignedReceipt {
        SignedReceipt(
            receipt: value, keyID: verificationKey.id, signature: [UInt8](try key.signature(for: value.canonical())))
    }
}
