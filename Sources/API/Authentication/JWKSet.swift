import Foundation
import JWTKit
import Runner

/// The public keys of a ``JWKSource``, read again when they are old, or when a token names one that is not there.
actor JWKSet {
    struct Key: Sendable {
        let id: String?
        /// What it is for, such as `RS256`.
        let name: String
        let algorithm: any JWTAlgorithm
    }

    static let algorithms = ["RS256", "ES256", "EdDSA"]

    private let source: JWKSource
    private let now: @Sendable () -> ContinuousClock.Instant
    private var keys: [Key] = []
    private var loadedAt: ContinuousClock.Instant?
    private var triedAt: ContinuousClock.Instant?
    private var lastFailure = ""
    private var loading: Task<[Key], any Error>?

    init(_ source: JWKSource, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
        self.source = source
        self.now = now
    }

    /// - Parameter id: nil for the only one of a set.
    /// - Throws: ``JWKSFailure``.
    func key(_ id: String?) async throws -> Key {
        if isDue(after: source.refreshInterval) { await refresh() }
        if let key = find(id) { return key }
        // It may have been made since.
        if isDue(after: source.cooldown) { await refresh() }
        if let key = find(id) { return key }
        guard let loadedAt, now() - loadedAt <= source.staleLimit else {
            throw JWKSFailure(.unavailable, "the keys of \(source) cannot be had: \(lastFailure)")
        }
        throw JWKSFailure(
            .refused,
            id == nil ? "the token names no key (kid), and there is not exactly one" : "the token's key is not known")
    }

    private func find(_ id: String?) -> Key? {
        guard let loadedAt, now() - loadedAt <= source.staleLimit else { return nil }
        let found = id.map { id in keys.filter { $0.id == id } } ?? keys
        return found.count == 1 ? found.first : nil
    }

    private func isDue(after interval: Duration) -> Bool {
        // One that has never been read is tried as often as one may.
        let pause = loadedAt == nil ? min(interval, source.cooldown) : interval
        return triedAt.map { now() - $0 >= pause } ?? true
    }

    /// Many that ask at once wait for one answer. Keys that cannot be read again stay.
    private func refresh() async {
        if let loading {
            _ = await loading.result
            return
        }
        triedAt = now()
        let task = Task { [source] in try await Self.keys(in: source.load()) }
        loading = task
        defer { loading = nil }
        do {
            keys = try await task.value
            loadedAt = now()
        } catch {
            lastFailure = "\(error)"
        }
    }

    // MARK: Reading

    /// Keys that we cannot use, of other kinds or for encryption, are left out.
    static func keys(in bytes: [UInt8]) async throws -> [Key] {
        guard case .array(let items)? = try JSONValue(parsing: bytes)["keys"] else {
            throw JWKSource.Invalid(description: "it is no set of keys: it has no list 'keys'")
        }
        var keys: [Key] = []
        for item in items {
            guard let key = await key(item) else { continue }
            keys.append(key)
        }
        return keys
    }

    private static func key(_ item: JSONValue) async -> Key? {
        func text(_ name: String) -> String? { if case .string(let text)? = item[name] { text } else { nil } }
        let name: String
        switch (text("kty"), text("crv")) {
        case ("RSA", _): name = "RS256"
        case ("EC", "P-256"): name = "ES256"
        case ("OKP", "Ed25519"): name = "EdDSA"
        default: return nil
        }
        if let use = text("use"), use != "sig" { return nil }
        if let algorithm = text("alg"), algorithm != name { return nil }
        if case .array(let operations)? = item["key_ops"], !operations.contains(.string("verify")) { return nil }
        // Only what is public of it.
        var members: [String: JSONValue] = ["alg": .string(name), "kid": .string("only")]
        for name in ["kty", "crv", "n", "e", "x", "y"] { members[name] = item[name] }
        guard let json = try? JSONValue.object(members).serialized(),
            let jwk = try? JSONDecoder().decode(JWK.self, from: Data(json)),
            let collection = try? await JWTKeyCollection().add(jwk: jwk),
            let algorithm = try? await collection.getKey(for: "only", alg: name)
        else { return nil }
        return Key(id: text("kid"), name: name, algorithm: algorithm)
    }
}
