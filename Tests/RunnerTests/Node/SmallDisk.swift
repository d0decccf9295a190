import Foundation
import Glibc

/// A file system of its own, in memory, that a test fills.
struct SmallDisk: Sendable {
    struct Failure: Error {
        let errno: Int32
    }

    /// Enough for a PostgreSQL cluster.
    private static let size = "160m"

    let path: String
    private var ballast: String { path + "/ballast" }

    static func with(_ body: (SmallDisk) async throws -> Void) async throws {
        let disk = SmallDisk(path: "/tmp/paddock-disk-\(UInt64.random(in: 0...UInt64.max))")
        try FileManager.default.createDirectory(atPath: disk.path, withIntermediateDirectories: false)
        defer { rmdir(disk.path) }
        guard mount("tmpfs", disk.path, "tmpfs", 0, "size=\(size),mode=755") == 0 else { throw Failure(errno: errno) }
        // Also while somebody still has a file of it open.
        defer { umount2(disk.path, Int32(MNT_DETACH)) }
        try await body(disk)
    }

    /// Takes all the room that there is.
    func fill() throws {
        let descriptor = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure(errno: errno) }
        defer { close(descriptor) }
        let block = [UInt8](repeating: 1, count: 4096)
        while write(descriptor, block, block.count) > 0 {}
        guard errno == ENOSPC else { throw Failure(errno: errno) }
    }

    func makeRoom() throws { guard unlink(ballast) == 0 else { throw Failure(errno: errno) } }
}
