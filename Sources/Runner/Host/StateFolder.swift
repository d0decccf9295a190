import Foundation

/// The folder in which runners of this host keep what the Engine must see and what tells them apart.
///
/// - `sandbox-init-HASH-UID`, `recorder-HASH-UID`, `hosts-UID`, `passwd-UID`: mounted into sandboxes, read-only. Each
///   user id has its own: sandboxes that had one file in common could see each other's locks and accesses
/// - `runners/ID`: locked while that runner lives; a container whose runner's file is free has no owner
/// - `egress/UID`: mounted into the sandbox of that user id, with the socket of its proxy
/// - `users/N`: locked while a sandbox uses the Nth user id
/// - `keys/`: what receipts are signed with, once there is one; ``KeyFolder``
/// - `id`: names this folder in the labels of its containers
public struct StateFolder: Sendable {
    public struct Failure: Error, Sendable, CustomStringConvertible {
        let path: String
        let reason: String
        let remedy: String

        init(path: String, reason: String, remedy: String = "Set PADDOCK_STATE_DIR to a folder of yours") {
            self.path = path
            self.reason = reason
            self.remedy = remedy
        }

        /// - Parameters:
        ///   - errno: of the call that failed.
        ///   - what: what could not be done.
        init(path: String, errno: Int32, _ what: String? = nil) {
            let reason = (what.map { $0 + ": " } ?? "") + Errno.message(errno)
            guard errno == ENOSPC || errno == EDQUOT else {
                self.init(path: path, reason: reason)
                return
            }
            self.init(
                path: path, reason: reason,
                remedy: "Make room there, or set PADDOCK_STATE_DIR to a folder where there is room")
        }

        public var description: String { "the state folder cannot be used: \(path): \(reason). \(remedy)" }
    }

    public let path: String
    /// Random, made with the folder.
    let id: String

    /// Opens the folder, and makes it and what belongs in it where it is missing.
    ///
    /// Configuration keys: `PADDOCK_STATE_DIR`; without it `/var/lib/paddock` for root, and for others
    /// `$XDG_STATE_HOME/paddock` or `~/.local/state/paddock`.
    public init(environment: [String: String]) throws {
        path = try Self.location(environment)
        try Self.makeFolder(path)
        try Self.makeFolder(path + "/runners")
        try Self.makeFolder(path + "/users")
        id = try Self.identity(path + "/id")
    }

    /// Where it is, or would be.
    public static func location(_ environment: [String: String]) throws -> String {
        if let chosen = environment["PADDOCK_STATE_DIR"], !chosen.isEmpty {
            guard chosen.hasPrefix("/") else {
                throw Failure(path: chosen, reason: "the path must be absolute, since the Engine mounts files from it")
            }
            return chosen
        }
        if geteuid() == 0 { return "/var/lib/paddock" }
        if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") { return state + "/paddock" }
        guard let home = environment["HOME"], home.hasPrefix("/") else {
            throw Failure(path: "~/.local/state/paddock", reason: "HOME is not set")
        }
        return home + "/.local/state/paddock"
    }

    private static func makeFolder(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw Failure(path: path, errno: errno, "it cannot be made")
        }
        guard access(path, R_OK | W_OK | X_OK) == 0 else { throw Failure(path: path, errno: errno) }
    }

    private static func identity(_ path: String) throws -> String {
        if let known = contents(path), known.count == 32 { return String(decoding: known, as: UTF8.self) }
        // Cut short by a crash or a full disk: containers that carried the old one are nobody's any more.
        if contents(path) != nil { unlink(path) }
        // The first to link its file into place wins; everybody reads what is there then.
        let new = path + "." + String(UInt64.random(in: 0...UInt64.max), radix: 16)
        try write(Array(LaunchFrame.makeNonce().utf8), to: new, mode: 0o600)
        link(new, path)
        unlink(new)
        guard let known = contents(path) else { throw Failure(path: path, errno: errno) }
        return String(decoding: known, as: UTF8.self)
    }

    private static func contents(_ path: String) -> [UInt8]? {
        FileManager.default.contents(atPath: path).map { [UInt8]($0) }
    }

    private static func write(_ bytes: [UInt8], to path: String, mode: mode_t) throws {
        guard FileManager.default.createFile(atPath: path, contents: Data(bytes)), chmod(path, mode) == 0 else {
            throw Failure(path: path, errno: errno)
        }
    }

    /// Puts a file in place at once and whole, unless it is there already.
    private func place(_ bytes: [UInt8], as name: String, mode: mode_t) throws -> String {
        let target = path + "/" + name
        if Self.contents(target) == bytes { return target }
        let new = target + "." + String(UInt64.random(in: 0...UInt64.max), radix: 16)
        do {
            try Self.write(bytes, to: new, mode: mode)
            guard rename(new, target) == 0 else { throw Failure(path: target, errno: errno) }
        } catch {
            unlink(new)
            throw error
        }
        return target
    }

    /// The files that a sandbox of this user id sees.
    func files(uid: UInt32) throws -> SandboxPolicy.HostFiles {
        let passwd = "root:x:0:0:root:/:/bin/false\nagent:x:\(uid):\(uid):agent:/tmp:/bin/sh\n"
        let hosts = "127.0.0.1 localhost\n::1 localhost\n"
        return SandboxPolicy.HostFiles(
            initBinary: try place(embeddedSandboxInit, as: "sandbox-init", for: uid),
            passwd: try place(Array(passwd.utf8), as: "passwd-\(uid)", mode: 0o644),
            hosts: try place(Array(hosts.utf8), as: "hosts-\(uid)", mode: 0o644))
    }

    /// The program that tells what an agent calls.
    func recorder(uid: UInt32) throws -> String { try place(embeddedSyscallRecorder, as: "recorder", for: uid) }

    /// Takes a program out of this one, only when its file is not there.
    private func place(_ program: EmbeddedProgram, as prefix: String, for uid: UInt32) throws -> String {
        let name = "\(prefix)-\(program.digest)-\(uid)"
        let attributes = try? FileManager.default.attributesOfItem(atPath: path + "/" + name)
        if attributes?[.size] as? Int == program.size { return path + "/" + name }
        guard let bytes = program.bytes else {
            throw Failure(path: path + "/" + name, reason: "the embedded \(prefix) is damaged")
        }
        return try place(bytes, as: name, mode: 0o755)
    }

    /// A user id that no other sandbox of this folder has. Sandboxes that shared one would share the kernel's
    /// limits per user, such as inotify instances.
    func lockUser() throws -> SandboxUser {
        for slot in 0..<SandboxUser.count {
            if let lock = try FileLock(path: "\(path)/users/\(slot)") {
                return SandboxUser(uid: SandboxUser.first(in: id) + UInt32(slot), lock: lock)
            }
        }
        throw Failure(
            path: path + "/users", reason: "all \(SandboxUser.count) user ids are in use by running sandboxes",
            remedy: "Wait until one of them ends")
    }

    /// The user id of a sandbox that runs already, for whoever takes it over.
    func lockUser(uid: UInt32) throws -> SandboxUser {
        let file = "\(path)/users/\(Int(uid) - Int(SandboxUser.first(in: id)))"
        guard let lock = try FileLock(path: file) else {
            throw Failure(path: file, reason: "another runner on this host has this sandbox")
        }
        return SandboxUser(uid: uid, lock: lock)
    }

    /// A state folder is one node's, for as long as the lock is held.
    /// - Throws: ``Failure`` while another process holds it.
    func lockNode() throws -> FileLock {
        guard let lock = try FileLock(path: path + "/node") else {
            throw Failure(path: path, reason: "another paddock that serves uses this state folder")
        }
        return lock
    }

    /// Makes this process known as a living runner.
    func lockRunner() throws -> RunnerLock {
        let id = String(LaunchFrame.makeNonce().prefix(16))
        guard let lock = try FileLock(path: "\(path)/runners/\(id)") else {
            throw Failure(path: "\(path)/runners/\(id)", reason: "it is locked by somebody else")
        }
        return RunnerLock(id: id, lock: lock)
    }

    /// The runners that have a file, alive or dead.
    func runners() -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: path + "/runners")) ?? []
    }

    /// The folder of the proxy's socket of the sandbox with this user id. Agents may enter it, and change nothing there.
    /// - Throws: ``Failure`` for a folder whose path leaves no room: a unix socket's is at most 107 bytes, unix(7).
    func egressFolder(uid: UInt32) throws -> String {
        let folder = "\(path)/egress/\(uid)"
        let excess = folder.utf8.count + "/proxy.sock".utf8.count - 107
        guard excess <= 0 else {
            throw Failure(
                path: folder, reason: "a unix socket in it would be longer than the 107 bytes that its path may have",
                remedy: "Set PADDOCK_STATE_DIR to a shorter path, of at most \(path.utf8.count - excess) bytes")
        }
        try Self.makeFolder(path + "/egress")
        try Self.makeFolder(folder)
        guard chmod(folder, 0o711) == 0 else { throw Failure(path: folder, errno: errno) }
        return folder
    }

    /// Removes the folders of sandboxes that are gone: nobody has their user id.
    /// - Parameter living: the user ids of sandboxes that are there. Their runner may have died.
    func removeEgressFolders(except living: Set<UInt32>) {
        let folders = (try? FileManager.default.contentsOfDirectory(atPath: path + "/egress")) ?? []
        for uid in folders.compactMap({ UInt32($0) }) where !living.contains(uid) {
            // Held until the folder is gone, so that nobody begins to use it.
            guard let user = try? lockUser(uid: uid) else { continue }
            removeEgressFolder(uid: uid)
            withExtendedLifetime(user) {}
        }
    }

    func removeEgressFolder(uid: UInt32) { try? FileManager.default.removeItem(atPath: "\(path)/egress/\(uid)") }

    /// Takes over the file of a runner that has died; nil while it lives.
    func lockDeadRunner(_ id: String) -> RunnerLock? {
        guard !id.isEmpty, id.allSatisfy(\.isHexDigit) else { return nil }
        guard let lock = try? FileLock(path: "\(path)/runners/\(id)") else { return nil }
        return RunnerLock(id: id, lock: lock)
    }
}
