import Foundation
import Testing

/// What two sandboxes of one state folder could notice of each other.
@Suite("Sandboxes beside each other")
struct NeighbourTests {
    /// Locks every file of ours that every sandbox has; a second lock on the same inode fails.
    private static let script = """
        import fcntl, sys, time
        files = [open(path, "rb") for path in ("/.paddock/init", "/etc/hosts", "/etc/passwd")]
        for file in files:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        print("locked", flush=True)
        time.sleep(float(sys.argv[1]))
        """

    private func lock(_ seconds: Int, _ state: [String: String]) throws -> Program {
        try Program.paddock(
            ["run", "-q", Fixture.python, "--", "python3", "-c", Self.script, "\(seconds)"], environment: state)
    }

    @Test("a lock in one holds up no other")
    func locks() async throws {
        try await Fixture.withState { state in
            let first = try lock(600, state)
            try await first.wait(for: "its locks") { first.stdout.contains("locked") }
            let second = try lock(0, state)
            #expect(try await second.exitCode() == 0, "\(second.stderr)")
            #expect(first.isRunning)
            first.signal(SIGINT)
            try await first.exitCode()
        }
    }
}
