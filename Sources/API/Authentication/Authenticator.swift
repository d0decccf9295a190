import Crypto
import Entitlements
import Foundation
import NIOConcurrencyHelpers
import Runner

/// Finds out who calls, by a key or a token.
final class Authenticator: Sendable {
    /// A token that was good is believed for so long: neither its signature nor its user is looked at at each request.
    /// A key is looked up each time, as it may have been revoked by any node.
    private static let freshness: TimeInterval = 5
    private static let capacity = 10_000
    /// Whoever has shown good credentials is known for so long: the window of the limit of requests.
    private static let memory: TimeInterval = 15 * 60

    private struct Known {
        let caller: Caller
        let until: Date
    }

    private let accounts: AccountService
    private let verifiers: [any TokenVerifier]
    private let known = NIOLockedValueBox<[SHA256Digest: Known]>([:])
    /// Until when credentials count as good ones.
    private let good = NIOLockedValueBox<[SHA256Digest: Date]>([:])

    init(accounts: AccountService, verifiers: [any TokenVerifier]) {
        self.accounts = accounts
        self.verifiers = verifiers
    }

    /// - Parameter authorization: the header; nil when there is none.
    /// - Throws: ``Problem`` 401, or what the database said.
    func caller(_ authorization: String?) async throws -> Caller {
        guard let authorization else {
            throw Problem.unauthenticated("there is no Authorization header: send Authorization: Bearer KEY")
        }
        guard let credential = Self.credential(authorization) else {
            throw Problem.unauthenticated("the Authorization header is not Bearer and a key or token")
        }
        let now = Date()
        let digest = SHA256.hash(data: Array(credential.utf8))
        let caller: Caller
        if credential.hasPrefix("pdk_") {
            caller = try await byKey(credential)
        } else {
            if let known = known.withLockedValue({ $0[digest] }), now < known.until { return known.caller }
            let expiry: Date
            (caller, expiry) = try await byToken(credential)
            remember(digest, caller, until: min(now + Self.freshness, expiry), now)
        }
        remember(digest, now)
        return caller
    }

    /// Whether these credentials were good not long ago.
    /// - Parameter authorization: the header; nil when there is none.
    func knows(_ authorization: String?) -> Bool {
        guard let credential = authorization.flatMap(Self.credential) else { return false }
        let digest = SHA256.hash(data: Array(credential.utf8))
        return good.withLockedValue { $0[digest].map { Date() < $0 } ?? false }
    }

    private static func credential(_ authorization: String) -> String? {
        let parts = authorization.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer", parts[1].utf8.count <= TokenHeader.longestToken
        else { return nil }
        return String(parts[1])
    }

    private func remember(_ digest: SHA256Digest, _ caller: Caller, until: Date, _ now: Date) {
        known.withLockedValue { known in
            if known.count >= Self.capacity { known = known.filter { now < $0.value.until } }
            if known.count < Self.capacity { known[digest] = Known(caller: caller, until: until) }
        }
    }

    private func remember(_ digest: SHA256Digest, _ now: Date) {
        good.withLockedValue { good in
            if good[digest] == nil, good.count >= Self.capacity { good = good.filter { now < $0.value } }
            if good[digest] != nil || good.count < Self.capacity { good[digest] = now + Self.memory }
        }
    }

    private func byKey(_ text: String) async throws -> Caller {
        guard let key = try await accounts.authenticate(key: text) else {
            throw Problem.unauthenticated("the key is unknown, has expired, or was revoked")
        }
        let scopes = key.scopes.isEmpty ? Scope.allCases : key.scopes.compactMap { Scope(rawValue: $0) }
        return Caller(
            userID: key.userID, role: key.role, scopes: Set(scopes),
            limitKey: key.requestLimit == nil ? "user:\(key.userID)" : "key:\(key.id)", requestLimit: key.requestLimit,
            hasKey: true, expiresAt: key.expiresAt)
    }

    private func byToken(_ text: String) async throws -> (Caller, Date) {
        do {
            for verifier in verifiers {
                guard let token = try await verifier.verify(text) else { continue }
                let user = try await accounts.ensure(token.userID, role: token.role)
                let caller = Caller(
                    userID: user.id, role: token.role, scopes: Set(Scope.allCases), limitKey: "user:\(user.id)",
                    requestLimit: nil)
                return (caller, token.expiresAt)
            }
        } catch let refused as TokenRefused {
            throw Problem.unauthenticated(refused.description)
        } catch let error as EntitlementError {
            throw Problem.unauthenticated("the token's user cannot be one: \(error)")
        }
        throw Problem.unauthenticated("the token's algorithm is not taken here")
    }
}
