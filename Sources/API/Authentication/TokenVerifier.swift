public import Entitlements
public import Foundation

/// What a valid token says.
public struct VerifiedToken: Sendable, Equatable {
    /// The claim `userId`, or `sub`.
    public let userID: String
    public let role: Role
    public let expiresAt: Date

    public init(userID: String, role: Role, expiresAt: Date) {
        self.userID = userID
        self.role = role
        self.expiresAt = expiresAt
    }
}

/// Why a token is not taken. No detail holds the token.
public struct TokenRefused: Error, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// Checks JWTs of one kind.
public protocol TokenVerifier: Sendable {
    /// - Parameter token: three parts in base64url, at most 8 KiB.
    /// - Returns: nil for a token that is not of this kind, by its `alg`: another verifier may know it.
    /// - Throws: ``TokenRefused`` for one that is, and is not good.
    func verify(_ token: String) async throws -> VerifiedToken?
}
