import Glibc

/// The proof that a runner lives. Its file goes with the value.
final class RunnerLock: Sendable {
    let id: String
    private let lock: FileLock

    init(id: String, lock: FileLock) {
        self.id = id
        self.lock = lock
    }

    deinit { unlink(lock.path) }
}
