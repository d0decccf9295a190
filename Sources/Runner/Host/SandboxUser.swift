/// A user id that one sandbox has for itself. Free again when the value is let go.
struct SandboxUser: Sendable {
    /// Above every range that distributions, systemd or subuid give out, and below 2^31.
    static let first: UInt32 = 1_900_000_000
    static let count = 4096

    let uid: UInt32
    private let lock: FileLock

    init(uid: UInt32, lock: FileLock) {
        self.uid = uid
        self.lock = lock
    }
}
