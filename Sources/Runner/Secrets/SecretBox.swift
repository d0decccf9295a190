import Crypto
import Foundation
public import Storage

/// Secrets of executions on their way from who submits to the node that runs them: sealed in the database, and gone from
/// it when the execution has ended.
///
/// AES-256-GCM with the key in the state folder, `keys/secrets.key`, made the first time. Nodes that share a database need
/// the same key: copy the file.
public struct SecretBox: Sendable {
    /// A secret that cannot be opened here.
    public struct Failure: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    /// Of all secrets of one execution, in bytes; the frame that carries them has its limits too.
    public static let sizeLimit = 1 << 20

    private static let keySize = 32

    private let folder: String
    private var path: String { folder + "/secrets.key" }

    /// - Parameter stateFolder: the path of the state folder; nothing is made in it before there is need.
    public init(stateFolder: String) { folder = stateFolder + "/keys" }

    // MARK: In the database

    /// Writes an execution's secrets down, in the transaction that submits it.
    /// - Throws: `KeyFolder.Failure` for a key that must not be used, `DatabaseError`.
    public func store(
        _ secrets: [String: [UInt8]], for execution: ExecutionID, in transaction: Transaction
    ) async throws {
        guard !secrets.isEmpty else { return }
        let sealed = try seal(secrets, for: execution)
        try await transaction.execute(
            "INSERT INTO execution_secrets (execution_id, sealed) VALUES (\(execution.description), \(sealed))")
    }

    /// - Returns: the secrets by name, none if there are none.
    /// - Throws: ``Failure`` when the key here is not the one they were sealed with; `DatabaseError`.
    func load(_ execution: ExecutionID, from database: Database) async throws -> [String: [UInt8]] {
        let rows = try await database.query(
            "SELECT sealed FROM execution_secrets WHERE execution_id = \(execution.description)")
        guard let row = rows.first else { return [:] }
        return try open(row["sealed"], of: execution)
    }

    /// Nobody needs them any more.
    static func remove(_ execution: String, in transaction: Transaction) throws {
        try transaction.executeLater("DELETE FROM execution_secrets WHERE execution_id = \(execution)")
    }

    // MARK: Sealing

    func seal(_ secrets: [String: [UInt8]], for execution: ExecutionID) throws -> [UInt8] {
        let plain = try JSONEncoder().encode(secrets.mapValues { Data($0) })
        // The execution's id is sealed with them: they cannot be given to another one.
        let box = try AES.GCM.seal(plain, using: try key(), authenticating: Data(execution.description.utf8))
        // A nonce of the usual size always has a combined form.
        return [UInt8](box.combined ?? Data())
    }

    func open(_ sealed: [UInt8], of execution: ExecutionID) throws -> [String: [UInt8]] {
        do {
            let box = try AES.GCM.SealedBox(combined: sealed)
            guard let key = try readKey() else { throw Failure(description: "") }
            let plain = try AES.GCM.open(box, using: key, authenticating: Data(execution.description.utf8))
            return try JSONDecoder().decode([String: Data].self, from: plain).mapValues { [UInt8]($0) }
        } catch let error as KeyFolder.Failure {
            throw error
        } catch {
            throw Failure(
                description:
                    "the execution's secrets cannot be opened with \(path): another key sealed them. Nodes that "
                    + "share a database need the same file")
        }
    }

    private func key() throws -> SymmetricKey {
        try PrivateFile.makeFolder(folder)
        try PrivateFile.checkFolder(folder)
        if let key = try readKey() { return key }
        let new = path + "." + String(UInt64.random(in: 0...UInt64.max), radix: 16)
        try PrivateFile.create(new, SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) })
        // The first to link its file into place wins, and everybody reads what is there then.
        link(new, path)
        unlink(new)
        try PrivateFile.syncFolder(folder)
        guard let key = try readKey() else {
            throw KeyFolder.Failure(path: path, reason: Errno.last, advice: "Look at the folder's permissions")
        }
        return key
    }

    private func readKey() throws -> SymmetricKey? {
        guard let bytes = try PrivateFile.read(path, isChecked: true) else { return nil }
        guard bytes.count == Self.keySize else {
            throw KeyFolder.Failure(
                path: path, reason: "it does not hold \(Self.keySize) bytes",
                advice: "Put the right file back, or move this one away for a new key to be made")
        }
        return SymmetricKey(data: bytes)
    }
}
