import Glibc

/// Files that nobody but their owner may read or replace, and that a crash leaves whole or not at all.
enum PrivateFile {
    private static func failure(_ path: String, _ reason: String, _ advice: String) -> KeyFolder.Failure {
        KeyFolder.Failure(path: path, reason: reason, advice: advice)
    }

    /// The last call on this path has failed.
    private static func failure(_ path: String) -> KeyFolder.Failure {
        failure(path, Errno.last, "Set PADDOCK_STATE_DIR to a folder of yours")
    }

    static func makeFolder(_ path: String) throws {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw failure(path) }
    }

    /// - Throws: for a folder in which others could put a key of theirs.
    static func checkFolder(_ path: String) throws {
        var info = stat()
        guard lstat(path, &info) == 0 else { throw failure(path) }
        guard info.st_mode & S_IFMT == S_IFDIR else { throw failure(path, "it is not a folder", "Move it away") }
        guard info.st_uid == geteuid() else {
            throw failure(path, "it belongs to user \(info.st_uid)", "Run as that user, or chown it to this one")
        }
        guard info.st_mode & 0o022 == 0 else {
            throw failure(
                path, "its mode is \(octal(info.st_mode)), and others may put a key in it",
                "chmod 700 it, and replace the key if somebody may have: paddock receipt rotate")
        }
    }

    /// - Parameter isChecked: refuse a file that others could have read or written.
    /// - Returns: nil when there is none.
    static func read(_ path: String, isChecked: Bool) throws -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        if file < 0, errno == ENOENT { return nil }
        guard file >= 0 else { throw failure(path) }
        defer { close(file) }
        var info = stat()
        guard fstat(file, &info) == 0 else { throw failure(path) }
        guard info.st_mode & S_IFMT == S_IFREG else { throw failure(path, "it is not a regular file", "Move it away") }
        if isChecked {
            guard info.st_uid == geteuid() else {
                throw failure(path, "it belongs to user \(info.st_uid)", "Run as that user, or chown it to this one")
            }
            guard info.st_mode & 0o077 == 0 else {
                throw failure(
                    path, "its mode is \(octal(info.st_mode)), and others may use it",
                    "chmod 600 it, and replace it if somebody may have read it: paddock receipt rotate")
            }
        }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(file, &bytes, bytes.count)
        guard count >= 0 else { throw failure(path) }
        return Array(bytes[..<count])
    }

    private static func octal(_ mode: mode_t) -> String { "0" + String(mode & 0o7777, radix: 8) }

    /// Writes a file of mode 0600 that was not there, down to the disk.
    static func create(_ path: String, _ bytes: [UInt8]) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw failure(path) }
        defer { close(file) }
        // So short a file is written at once or not at all.
        guard fchmod(file, 0o600) == 0, write(file, bytes, bytes.count) == bytes.count, fsync(file) == 0 else {
            let error = failure(path)
            unlink(path)
            throw error
        }
    }

    /// Makes the names in a folder outlast a power failure.
    static func syncFolder(_ path: String) throws {
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw failure(path) }
        defer { close(folder) }
        guard fsync(folder) == 0 else { throw failure(path) }
    }
}
