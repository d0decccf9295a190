import Foundation
import Testing

/// What is said about a state folder that cannot be used.
@Suite("State folder")
struct StateFolderTests {
    @Test("a path too long for a socket asks for a shorter one, and says how short")
    func long() async throws {
        try await Fixture.withFolder { folder in
            // withState's checks are for a folder that has been used.
            let path = folder.path() + "/" + String(repeating: "a", count: 100 - folder.path().utf8.count)
            let program = try Program.paddock(
                ["run", "--allow", "api.example.com", Fixture.busybox, "--", "echo", "ran"],
                environment: ["PADDOCK_STATE_DIR": path])
            #expect(try await program.exitCode() == 125)
            #expect(program.stdout.isEmpty)
            #expect(program.stderr.contains("longer than the 107 bytes"), "\(program.stderr)")
            let told = try #require(
                program.stderr.firstMatch(of: /Set PADDOCK_STATE_DIR to a shorter path, of at most (\d+) bytes/))
            let room = try #require(Int(told.1))
            #expect(path.utf8.count > room && room > 50)
        }
    }

    @Test(
        "a full file system asks for room",
        .enabled(if: geteuid() == 0, "only root can mount a small file system; CI is root"))
    func full() async throws {
        try await Fixture.withFolder { folder in
            let script = """
                mount -t tmpfs -o size=64k tmpfs "$PADDOCK_STATE_DIR" && head -c 1M /dev/zero >"$PADDOCK_STATE_DIR/fill"
                exec "$0" run "$1" -- echo ran
                """
            let program = try Program(
                "/usr/bin/env", ["unshare", "--mount", "sh", "-c", script, Program.paddock, Fixture.busybox],
                environment: ["PADDOCK_STATE_DIR": folder.path()])
            #expect(try await program.exitCode() == 125)
            #expect(program.stdout.isEmpty)
            #expect(program.stderr.contains("No space left on device. Make room there, or set"), "\(program.stderr)")
        }
    }
}
