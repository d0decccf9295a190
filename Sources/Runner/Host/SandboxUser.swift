/// A user id that one sandbox has for itself. Free again when the value is let go.
struct SandboxUser: Sendable {
    /// Above every range that distributions, systemd or subuid give out, and below 2^31.
    private static let all: Range<UInt32> = 1_900_000_000..<(1 << 31)
    /// Of one state folder.
    static let count = 4096

    let uid: UInt32
    private let lock: FileLock

    init(uid: UInt32, lock: FileLock) {
        self.uid = uid
        self.lock = lock
    }

    /// The first of a state folder's ids, which follows from the folder's random name: two folders hardly ever have the
    /// same, whose sandboxes would share the kernel's limits per user.
    static func first(in folder: String) -> UInt32 {
        let ranges = UInt64(all.count / count)
        let hash = folder.utf8.reduce(UInt64(0)) { $0 &* 31 &+ UInt64($1) }
        return all.lowerBound + UInt32(hash % ranges) * UInt32(count)
    }
}
