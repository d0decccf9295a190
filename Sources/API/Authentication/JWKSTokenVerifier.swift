import Entitlements
import Runner

/// JWTs that an issuer of somebody else's has signed, by the keys that it publishes.
public struct JWKSTokenVerifier: TokenVerifier {
    private let verifier: JWKSVerifier

    public init(_ configuration: JWKSVerifier.Configuration) { verifier = JWKSVerifier(configuration) }

    public func verify(_ token: String) async throws -> VerifiedToken? {
        guard JWKSet.algorithms.contains(try TokenHeader(of: token).alg) else { return nil }
        do {
            let claims = try await verifier.verify(token)
            guard let role = Role(rawValue: claims.role) else { throw TokenRefused("the token's role is not known") }
            // Whoever names users elsewhere must not name the one that this server has made.
            guard claims.userID != AccountService.firstAdmin else {
                throw TokenRefused("the token's user is this server's own administrator")
            }
            return VerifiedToken(userID: claims.userID, role: role, expiresAt: claims.expiresAt)
        } catch let failure as JWKSFailure {
            switch failure.code {
            case .refused: throw TokenRefused(failure.description)
            case .unavailable:
                throw Problem.unavailable("keys_unavailable", "the keys of tokens cannot be had now", retryAfter: 5)
            }
        }
    }
}
