import Foundation

/// The keys of receipts, in the state folder's `keys`.
///
/// - `signing.pem`: the private key in use, PKCS #8, mode 0600
/// - `retired-KEYID.json`: the public half of one that was in use before, and when it was retired
/// - `lock`: held while the key is replaced
public struct KeyFolder: Sendable {
    /// A key that cannot be had, or must not be used.
    public struct Failure: Error, Sendable, CustomStringConvertible {
        let path: String
        let reason: String
        /// What to do about it.
        let advice: String
        public var description: String { "the keys of receipts cannot be used: \(path): \(reason). \(advice)" }
    }

    private let path: String
    private var signingPath: String { path + "/signing.pem" }

    /// - Parameter stateFolder: the path of the state folder; nothing is made in it before there is need.
    public init(stateFolder: String) { path = stateFolder + "/keys" }

    /// The key that is in use now; made the first time.
    ///
    /// Read it after the execution has ended whose receipt is to be signed: a key that was retired before is not taken
    /// for later ones.
    /// - Throws: ``Failure``, also for a key that others could have read or replaced.
    public func signingKey() throws -> SigningKey {
        try PrivateFile.makeFolder(path)
        try PrivateFile.checkFolder(path)
        if let key = try current(isTrusted: true) { return key }
        let new = signingPath + "." + String(UInt64.random(in: 0...UInt64.max), radix: 16)
        try PrivateFile.create(new, Array(SigningKey().pem.utf8))
        // The first to link its file into place wins, and everybody reads what is there then.
        link(new, signingPath)
        unlink(new)
        try PrivateFile.syncFolder(path)
        guard let key = try current(isTrusted: true) else {
            throw Failure(path: signingPath, reason: Errno.last, advice: "Look at the folder's permissions")
        }
        return key
    }

    /// The public keys, the one in use first, and then those that were, newest first. None are made.
    public func verificationKeys() throws -> [VerificationKey] {
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        try PrivateFile.checkFolder(path)
        // In this order: a key that is replaced in between is among the retired ones by then.
        let current = try self.current(isTrusted: true)?.verificationKey
        let retired = try retiredKeys().filter { $0.id != current?.id }
        return [current].compactMap { $0 } + retired.sorted { ($0.retiredAt ?? "~") > ($1.retiredAt ?? "~") }
    }

    /// Puts a new key in the place of the one in use.
    /// - Returns: the new one's public half, and the old one's, if there was one.
    /// - Throws: ``Failure``; the old key stays in use then.
    public func rotate() throws -> (new: VerificationKey, retired: VerificationKey?) {
        try PrivateFile.makeFolder(path)
        try PrivateFile.checkFolder(path)
        guard let lock = try FileLock(path: path + "/lock") else {
            throw Failure(path: path, reason: "somebody else is replacing the key", advice: "Try again")
        }
        defer { withExtendedLifetime(lock) {} }
        // One that others could read is a reason to replace it, and no reason not to.
        guard let old = try current(isTrusted: false)?.verificationKey else {
            return (try signingKey().verificationKey, nil)
        }
        let key = SigningKey()
        let new = signingPath + ".new"
        unlink(new)
        try PrivateFile.create(new, Array(key.pem.utf8))
        // Known before it is out of use, so that a crash in between loses no key; with its time after, so that none is
        // too early for what it has signed.
        try record(old.retired(at: nil))
        guard rename(new, signingPath) == 0 else {
            throw Failure(path: signingPath, reason: Errno.last, advice: "The old key stays in use")
        }
        try PrivateFile.syncFolder(path)
        let retired = old.retired(at: Date().rfc3339)
        try record(retired)
        return (key.verificationKey, retired)
    }

    private func current(isTrusted: Bool) throws -> SigningKey? {
        guard let bytes = try PrivateFile.read(signingPath, isChecked: isTrusted) else { return nil }
        guard let key = SigningKey(pem: String(decoding: bytes, as: UTF8.self)) else {
            throw Failure(
                path: signingPath, reason: "it is not an Ed25519 private key",
                advice: "Put the right file back, or move this one away for a new key to be made")
        }
        return key
    }

    private func retiredKeys() throws -> [VerificationKey] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return try names.filter { $0.hasPrefix("retired-") && $0.hasSuffix(".json") }.map { name in
            do {
                let text = try Data(contentsOf: URL(filePath: "\(path)/\(name)"))
                return try JSONDecoder().decode(VerificationKey.self, from: text)
            } catch {
                throw Failure(
                    path: "\(path)/\(name)", reason: "it is not the record of a retired key",
                    advice: "Put the right file back, or move this one away: what it signed is then not known")
            }
        }
    }

    private func record(_ key: VerificationKey) throws {
        let target = "\(path)/retired-\(key.id).json"
        let new = target + ".new"
        unlink(new)
        try PrivateFile.create(new, [UInt8](try JSONEncoder().encode(key)))
        guard rename(new, target) == 0 else {
            throw Failure(path: target, reason: Errno.last, advice: "Look at the folder's permissions")
        }
        try PrivateFile.syncFolder(path)
    }
}
