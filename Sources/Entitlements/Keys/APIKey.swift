public import Foundation
import Storage

/// An API key, without its secret.
public struct APIKey: Sendable, Equatable, Codable {
    /// `key_…`.
    public let id: String
    public let userID: String
    public let name: String
    /// What a key begins with, to tell it from others: `pdk_` and 12 characters.
    public let prefix: String
    /// At most that of its user.
    public internal(set) var role: Role
    /// What it is for; empty for everything that its role may do.
    public let scopes: [String]
    /// Requests per window; nil for the server's limit, 0 for none.
    public let requestLimit: Int?
    public let createdAt: Date
    /// nil for good.
    public let expiresAt: Date?
    public let revokedAt: Date?
    /// To the minute; nil when it was never used.
    public let lastUsedAt: Date?

    static let columns: SQL =
        """
        id, user_id, name, prefix, role, scopes, request_limit, created_at, expires_at, revoked_at, last_used_at
        """

    init(_ row: Row) throws {
        id = try row["id"]
        userID = try row["user_id"]
        name = try row["name"]
        prefix = try row["prefix"]
        role = try row["role"]
        scopes = try (row["scopes"] as JSONColumn<[String]>).value
        requestLimit = try row["request_limit"]
        createdAt = try row["created_at"]
        expiresAt = try row["expires_at"]
        revokedAt = try row["revoked_at"]
        lastUsedAt = try row["last_used_at"]
    }

    public func isGood(at now: Date) -> Bool { revokedAt == nil && expiresAt.map { now < $0 } ?? true }
}

/// A key's text: `pdk_`, 12 characters by which it is found, `_`, and 52 characters (260 bits) that nobody can guess.
struct APIKeyText: Sendable {
    static let mark = "pdk_"
    static let prefixLength = 12
    static let secretLength = 52

    let text: String

    /// A new one.
    init() {
        var random = SystemRandomNumberGenerator()
        func characters(_ count: Int) -> String {
            String((0..<count).map { _ in Identifier.alphabet[Int(random.next() & 31)] })
        }
        text = "\(Self.mark)\(characters(Self.prefixLength))_\(characters(Self.secretLength))"
    }

    /// nil for text that cannot be a key.
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        let length = Self.mark.utf8.count + Self.prefixLength + 1 + Self.secretLength
        guard bytes.count == length, text.hasPrefix(Self.mark),
            bytes[Self.mark.utf8.count + Self.prefixLength] == UInt8(ascii: "_")
        else { return nil }
        self.text = text
    }

    var prefix: String { String(text.prefix(Self.mark.count + Self.prefixLength)) }
}
