import Glibc

/// A database's file: which one it is, whatever its name.
struct SQLiteFile: Equatable {
    private let device: dev_t
    private let inode: ino_t

    /// nil when there is none at the path.
    init?(path: String) {
        var info = stat()
        guard stat(path, &info) == 0 else { return nil }
        device = info.st_dev
        inode = info.st_ino
    }

    /// Makes the file where it is missing, and keeps everybody but its owner out. SQLite gives its `-wal` and `-shm`
    /// the same mode.
    /// - Throws: ``DatabaseError`` with code `database_unavailable`.
    static func prepare(_ path: String) throws {
        var info = stat()
        if stat(path, &info) != 0 { try make(path) }
        guard stat(path, &info) == 0, info.st_mode & S_IFMT == S_IFREG else {
            throw DatabaseError(.databaseUnavailable, "sqlite:\(path) is not a file")
        }
        guard info.st_mode & 0o077 == 0 || chmod(path, 0o600) == 0 else {
            throw failure(path, "others may read the file, and its mode cannot be changed")
        }
    }

    /// In two steps, so that the file has no descriptor of ours: to close one drops the locks that SQLite holds in this
    /// process (<https://www.sqlite.org/howtocorrupt.html>, 2.2).
    private static func make(_ path: String) throws {
        let new = "\(path).\(UInt64.random(in: 0...UInt64.max))"
        let descriptor = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(path, "the file cannot be made") }
        close(descriptor)
        defer { unlink(new) }
        guard link(new, path) == 0 || errno == EEXIST else { throw failure(path, "the file cannot be made") }
    }

    private static func failure(_ path: String, _ what: String) -> DatabaseError {
        let reason = String(cString: strerror(errno))
        return DatabaseError(
            .databaseUnavailable,
            "sqlite:\(path): \(what): \(reason). Check its folder, PADDOCK_STATE_DIR and DATABASE_URL")
    }
}
