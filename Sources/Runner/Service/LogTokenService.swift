import Crypto
public import Foundation
public import Storage

/// Tokens that read one log for a few minutes.
public struct LogTokenService: Sendable {
    static let prefix = "pdl_"
    static let lifetime: TimeInterval = 300

    private let database: Database
    private let now: @Sendable () -> Date

    public init(database: Database, now: @escaping @Sendable () -> Date = { Date() }) {
        self.database = database
        self.now = now
    }

    /// - Returns: the token, and until when a stream can be opened with it.
    public func make(for executionID: String, userID: String) async throws -> (token: String, expiresAt: Date) {
        let random = SymmetricKey(size: .bits256).withUnsafeBytes { Data($0) }
        let token =
            Self.prefix
            + random.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
        let expiry = now() + Self.lifetime
        try await LogTokens().store(
            Self.hash(token), .init(executionID: executionID, userID: userID), until: expiry, in: database)
        return (token, expiry)
    }

    /// - Returns: nil for a token that is not good.
    public func right(_ token: String) async throws -> LogTokens.Right? {
        guard token.hasPrefix(Self.prefix), token.utf8.count < 100 else { return nil }
        return try await LogTokens().find(Self.hash(token), at: now(), in: database)
    }

    private static func hash(_ token: String) -> [UInt8] { Array(SHA256.hash(data: Array(token.utf8))) }
}

/// Forgets what no longer counts: old idempotency keys, expired tokens of logs.
public struct Housekeeping: Sendable {
    private static let interval: Duration = .seconds(600)

    private let database: Database

    public init(database: Database) { self.database = database }

    /// Until it is cancelled. While the database is away, what is old stays a while longer.
    public func run() async {
        while !Task.isCancelled {
            try? await IdempotencyKeys().removeExpired(in: database)
            try? await LogTokens().removeExpired(at: Date(), in: database)
            try? await Task.sleep(for: Self.interval)
        }
    }
}
