public import Foundation
import JWTKit
import Runner

/// Checks JSON Web Tokens that somebody else has signed, by the public keys that they publish: RFC 7519, 7515, 7517.
///
/// RS256, ES256 and EdDSA (Ed25519). The key says which of them it is for, and never the token.
public struct JWKSVerifier: Sendable {
    public struct Configuration: Sendable {
        public var source: JWKSource
        /// What a token must be meant for, one of these. Without any, tokens that name an audience are refused.
        public var audiences: Set<String> = []
        /// Who must have signed it; nil for anybody with a key of the set.
        public var issuer: String?
        /// For clocks that differ.
        public var leeway: Duration = .seconds(30)

        public init(_ source: JWKSource) { self.source = source }
    }

    /// What a good token says.
    public struct Claims: Sendable, Equatable {
        public let userID: String
        /// `admin`, `developer` or `user`.
        public let role: String
        public let expiresAt: Date
    }

    /// Longest token; what is longer is not even looked at.
    public static let longestToken = 8192

    private let configuration: Configuration
    private let keys: JWKSet

    public init(_ configuration: Configuration) {
        self.configuration = configuration
        keys = JWKSet(configuration.source)
    }

    init(_ configuration: Configuration, keys: JWKSet) {
        self.configuration = configuration
        self.keys = keys
    }

    /// - Parameter now: for tests.
    /// - Throws: ``JWKSFailure``.
    public func verify(_ token: String, at now: Date = Date()) async throws -> Claims {
        guard token.utf8.count <= Self.longestToken else {
            throw JWKSFailure(.refused, "the token is longer than \(Self.longestToken) bytes")
        }
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Self.object(parts[0]), let payload = Self.object(parts[1]),
            let signature = Self.bytes(parts[2])
        else { throw JWKSFailure(.refused, "the token is no JWT") }
        let key = try await key(for: header)
        let signed = Array(token.utf8.prefix(parts[0].utf8.count + 1 + parts[1].utf8.count))
        guard (try? key.algorithm.verify(signature, signs: signed)) == true else {
            throw JWKSFailure(.refused, "the token's signature is not good")
        }
        return try claims(payload, now)
    }

    private func key(for header: [String: JSONValue]) async throws -> JWKSet.Key {
        guard case .string(let algorithm)? = header["alg"], JWKSet.algorithms.contains(algorithm) else {
            throw JWKSFailure(.refused, "the token is signed with none of \(JWKSet.algorithms.joined(separator: ", "))")
        }
        // What it lists must be understood, and we understand no extension.
        guard header["crit"] == nil else { throw JWKSFailure(.refused, "the token has extensions that are not known") }
        var id: String?
        if let given = header["kid"] {
            guard case .string(let text) = given else { throw JWKSFailure(.refused, "the token's kid is no string") }
            id = text
        }
        let key = try await keys.key(id)
        guard key.name == algorithm else {
            throw JWKSFailure(.refused, "the token is signed with \(algorithm), and its key is for \(key.name)")
        }
        return key
    }

    // MARK: Claims

    private func claims(_ payload: [String: JSONValue], _ now: Date) throws -> Claims {
        let leeway = configuration.leeway / .seconds(1)
        guard let expiry = Self.date(payload["exp"]) else {
            throw JWKSFailure(.refused, "the token has no time at which it expires (exp)")
        }
        guard now < expiry.addingTimeInterval(leeway) else { throw JWKSFailure(.refused, "the token has expired") }
        for name in ["nbf", "iat"] where payload[name] != nil {
            guard let time = Self.date(payload[name]) else {
                throw JWKSFailure(.refused, "the token's \(name) is no time")
            }
            guard now >= time.addingTimeInterval(-leeway) else {
                throw JWKSFailure(.refused, "the token is not valid yet (\(name))")
            }
        }
        try checkAudience(payload["aud"])
        if let issuer = configuration.issuer, payload["iss"] != .string(issuer) {
            throw JWKSFailure(.refused, "the token is not of the issuer that it must be of (iss)")
        }
        guard case .string(let userID)? = payload["userId"] ?? payload["sub"], !userID.isEmpty,
            userID.utf8.count <= 128,
            userID.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value != 0x7F })
        else { throw JWKSFailure(.refused, "the token names no user (userId or sub)") }
        let role: String
        switch payload["role"] {
        case nil: role = "user"
        case .string(let text)? where ["admin", "developer", "user"].contains(text): role = text
        default: throw JWKSFailure(.refused, "the token's role is none of admin, developer and user")
        }
        return Claims(userID: userID, role: role, expiresAt: expiry)
    }

    /// RFC 7519, §4.1.3: who does not find themselves in it refuses the token.
    private func checkAudience(_ claim: JSONValue?) throws {
        var named: Set<String> = []
        switch claim {
        case nil: break
        case .string(let text)?: named = [text]
        case .array(let items)?:
            for case .string(let text) in items { named.insert(text) }
        default: throw JWKSFailure(.refused, "the token's audience is no string (aud)")
        }
        if claim == nil, configuration.audiences.isEmpty { return }
        guard !configuration.audiences.isDisjoint(with: named) else {
            throw JWKSFailure(.refused, "the token is meant for another audience (aud)")
        }
    }

    // MARK: Encoding

    private static func date(_ value: JSONValue?) -> Date? {
        let seconds: Double
        switch value {
        case .integer(let number)?: seconds = Double(number)
        case .number(let number)?: seconds = number
        default: return nil
        }
        // Beyond the year 9999 it is no time.
        return (0...253_402_300_799).contains(seconds) ? Date(timeIntervalSince1970: seconds) : nil
    }

    private static func object(_ part: Substring) -> [String: JSONValue]? {
        guard let bytes = bytes(part), case .object(let members)? = try? JSONValue(parsing: bytes) else { return nil }
        return members
    }

    /// base64url without padding, RFC 7515, §2, and nothing else.
    static func bytes(_ part: Substring) -> [UInt8]? {
        let isPlain = part.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard isPlain else { return nil }
        let text = part.replacing("-", with: "+").replacing("_", with: "/")
        return Data(base64Encoded: text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)).map {
            [UInt8]($0)
        }
    }
}

/// Why a token was not taken.
public struct JWKSFailure: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: Sendable {
        /// The token is not good.
        case refused
        /// The keys cannot be had: the token may be good.
        case unavailable
    }

    public let code: Code
    public let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
