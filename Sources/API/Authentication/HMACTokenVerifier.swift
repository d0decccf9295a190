import Entitlements
public import Foundation
import JWTKit

/// JWTs signed with HS256 and a secret that both sides have; RFC 7519. The algorithm is pinned: what a token's header
/// says decides nothing but whose token it is.
public struct HMACTokenVerifier: TokenVerifier {
    private let keys: JWTKeyCollection
    private let longestLife: Duration
    private let audiences: Set<String>
    private let issuer: String?
    private let now: @Sendable () -> Date

    /// - Parameters:
    ///   - secret: at least 32 bytes.
    ///   - longestLife: a token whose `exp` is further away is refused.
    ///   - audiences: a token must be meant for one of these; empty for not looking at its `aud`.
    ///   - issuer: who must have made it; nil for not looking at its `iss`.
    public init(
        secret: String, longestLife: Duration, audiences: Set<String> = [], issuer: String? = nil,
        now: @escaping @Sendable () -> Date = { Date() }
    ) async {
        keys = JWTKeyCollection()
        await keys.add(hmac: HMACKey(from: secret), digestAlgorithm: .sha256)
        self.longestLife = longestLife
        self.audiences = audiences
        self.issuer = issuer
        self.now = now
    }

    public func verify(_ token: String) async throws -> VerifiedToken? {
        let header = try TokenHeader(of: token)
        guard header.alg == "HS256" else { return nil }
        try header.check()
        let claims: TokenClaims
        do {
            claims = try await keys.verify(token, as: TokenClaims.self)
        } catch let refused as TokenRefused {
            throw refused
        } catch {
            throw TokenRefused("the token's signature does not hold, or its claims cannot be read")
        }
        try claims.check(audiences, issuer)
        return try claims.verified(at: now(), longestLife: longestLife)
    }
}

/// What is read of a token before its signature is checked.
struct TokenHeader: Decodable, Sendable {
    static let longestToken = 8192

    let alg: String
    let kid: String?
    private let crit: [String]?

    /// - Throws: ``TokenRefused`` for what is no token.
    init(of token: String) throws {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard token.utf8.count <= Self.longestToken, parts.count == 3,
            let data = Data(base64URL: parts[0]), let header = try? JSONDecoder().decode(TokenHeader.self, from: data)
        else { throw TokenRefused("the token is no JWT") }
        self = header
    }

    /// - Throws: ``TokenRefused`` for extensions that must be understood, as none is here.
    func check() throws {
        guard crit == nil else { throw TokenRefused("the token has critical extensions, and none is known") }
    }
}

/// The claims that count.
struct TokenClaims: JWTPayload {
    /// A little of the issuer's clock may be ahead.
    private static let leeway = 60.0
    private static let longestUserID = 200

    /// RFC 7519, §4.1.3: one name, or a list.
    struct Audience: Codable, Sendable {
        let names: [String]

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let name = try? container.decode(String.self) {
                names = [name]
            } else {
                names = try container.decode([String].self)
            }
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(names)
        }
    }

    let userId: String?
    let sub: String?
    let role: String?
    let exp: Double?
    let nbf: Double?
    let iat: Double?
    let aud: Audience?
    let iss: String?

    /// Times are checked by who knows what time it is.
    func verify(using algorithm: some JWTAlgorithm) async throws {}

    /// - Throws: ``TokenRefused`` for a token that is for others, or of others.
    func check(_ audiences: Set<String>, _ issuer: String?) throws {
        guard audiences.isEmpty || !audiences.isDisjoint(with: aud?.names ?? []) else {
            throw TokenRefused("the token is meant for another audience (aud)")
        }
        guard issuer == nil || iss == issuer else {
            throw TokenRefused("the token is not of the issuer that it must be of (iss)")
        }
    }

    /// - Throws: ``TokenRefused`` that says which claim is wrong.
    func verified(at now: Date, longestLife: Duration) throws -> VerifiedToken {
        let time = now.timeIntervalSince1970
        guard let exp, exp.isFinite else { throw TokenRefused("the token has no exp") }
        guard time < exp else { throw TokenRefused("the token has expired") }
        guard exp - time <= Double(longestLife.components.seconds) + Self.leeway else {
            throw TokenRefused("the token is valid for longer than this server takes (JWT_EXPIRY)")
        }
        if let nbf, time + Self.leeway < nbf { throw TokenRefused("the token is not valid yet") }
        if let iat, time + Self.leeway < iat { throw TokenRefused("the token is from the future") }
        guard let user = userId ?? sub, !user.isEmpty else {
            throw TokenRefused("the token names no user (userId or sub)")
        }
        guard user.utf8.count <= Self.longestUserID, !user.utf8.contains(0) else {
            throw TokenRefused("the token's user has more than \(Self.longestUserID) bytes, or holds U+0000")
        }
        guard let role = Role(rawValue: role ?? "user") else {
            throw TokenRefused("the token's role is none of admin, developer and user")
        }
        return VerifiedToken(userID: user, role: role, expiresAt: Date(timeIntervalSince1970: exp))
    }
}

extension Data {
    /// RFC 4648 §5, without padding.
    init?(base64URL text: some StringProtocol) {
        let plain = String(text.map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 })
        let padding = String(repeating: "=", count: (4 - plain.utf8.count % 4) % 4)
        self.init(base64Encoded: plain + padding)
    }
}
