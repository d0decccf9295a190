import Glibc

/// An exclusive lock on a file, held until the process ends or the value is let go; flock(2).
final class FileLock: Sendable {
    let path: String
    private let descriptor: CInt

    /// - Returns: nil when somebody else holds it.
    /// - Throws: ``StateFolder/Failure`` when the file cannot be made.
    init?(path: String) throws {
        while true {
            let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw StateFolder.Failure(path: path, errno: errno) }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
                close(descriptor)
                return nil
            }
            // Somebody may have removed the file between the two calls: a lock on it would be seen by nobody.
            var info = stat()
            if fstat(descriptor, &info) == 0, info.st_nlink > 0 {
                self.path = path
                self.descriptor = descriptor
                return
            }
            close(descriptor)
        }
    }

    deinit { close(descriptor) }
}
