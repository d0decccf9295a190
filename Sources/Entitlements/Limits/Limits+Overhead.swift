/// What a sandbox's own file systems and processes take of its memory limit.
extension Limits {
    /// MiB of memory that the init, page tables and the shared-memory tmpfs may take beside the agent.
    package static let headroomMiB = 8
    package static let sharedMemoryMiB = 4
    package static let sharedMemoryInodes = 256
    /// `/run/paddock` holds the output file and the secrets.
    package static let runInodes = 256

    /// Size of `/run/paddock`: beside the output file, a temporary copy of it, which careful programs write first, and
    /// secrets. In whole pages of every size there is: the kernel rounds up, and verification compares to the letter.
    package var runKiB: Int { (outputKiB * 2 + 1024 + 63) / 64 * 64 }

    /// Inodes of `/tmp`: 16,384, and fewer for a small one, since each costs a KiB of the memory limit.
    package var tmpInodes: Int { min(16384, tmpMiB * 256) }

    /// Kernel memory that the agent can make the kernel hold for it, in KiB, if it fills every file system and
    /// process slot. A cgroup that cannot hold it would lose its init to the OOM killer (facts: the init dies only
    /// where this sum exceeds the limit).
    var worstOverheadKiB: Int {
        let inodes = tmpInodes + Self.runInodes + Self.sharedMemoryInodes
        let files = (tmpMiB + Self.sharedMemoryMiB) * 1024 + runKiB
        return files + inodes + pids * 100 + Self.headroomMiB * 1024
    }
}
