import Crypto
import Foundation

/// A public key that receipts are checked with: Ed25519, RFC 8032.
public struct VerificationKey: Sendable, Equatable {
    /// Text that holds no such key.
    public struct Invalid: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    /// SHA-256 of the key as SubjectPublicKeyInfo, in hexadecimal: `openssl pkey -pubin -outform DER | sha256sum`.
    public let id: String
    /// When the next one took its place, in RFC 3339; nil for a key in use, and where that is not known.
    public let retiredAt: String?
    private let bytes: [UInt8]

    private static let label = "PUBLIC KEY"
    /// What comes before the key's 32 bytes in a SubjectPublicKeyInfo; RFC 8410.
    private static let prefix: [UInt8] = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00]

    init(_ key: Curve25519.Signing.PublicKey, retiredAt: String? = nil) {
        bytes = [UInt8](key.rawRepresentation)
        id = SHA256.hash(data: Self.prefix + bytes).hexadecimal
        self.retiredAt = retiredAt
    }

    /// The keys in a PEM text, in order.
    /// - Throws: ``Invalid`` when there is none, or one of another kind.
    public static func keys(pem: String) throws -> [VerificationKey] {
        let keys = try PEM.blocks(in: pem, label: label).map { try VerificationKey(der: $0, retiredAt: nil) }
        guard !keys.isEmpty else {
            throw Invalid(description: "there is no \"BEGIN PUBLIC KEY\" in it; `paddock receipt key` prints one")
        }
        return keys
    }

    private init(der: [UInt8]?, retiredAt: String?) throws {
        guard let der, der.starts(with: Self.prefix),
            let key = try? Curve25519.Signing.PublicKey(rawRepresentation: der.dropFirst(Self.prefix.count))
        else { throw Invalid(description: "a public key in it is damaged, or not an Ed25519 one") }
        self.init(key, retiredAt: retiredAt)
    }

    public var pem: String { PEM.text(Self.prefix + bytes, label: Self.label) }

    /// The same key, out of use.
    func retired(at time: String?) -> VerificationKey { VerificationKey(id: id, retiredAt: time, bytes: bytes) }

    private init(id: String, retiredAt: String?, bytes: [UInt8]) {
        self.id = id
        self.retiredAt = retiredAt
        self.bytes = bytes
    }

    func isValid(_ signature: [UInt8], of message: [UInt8]) -> Bool {
        guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: bytes) else { return false }
        return key.isValidSignature(signature, for: message)
    }
}

extension VerificationKey: Codable {
    private enum CodingKeys: String, CodingKey {
        case id = "keyId"
        case pem = "publicKey"
        case retiredAt
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let blocks = PEM.blocks(in: try container.decode(String.self, forKey: .pem), label: Self.label)
        try self.init(
            der: blocks.count == 1 ? blocks[0] : nil,
            retiredAt: container.decodeIfPresent(String.self, forKey: .retiredAt))
    }

    /// Every key is always there, null where there is no value.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(pem, forKey: .pem)
        try container.encode(retiredAt, forKey: .retiredAt)
    }
}
