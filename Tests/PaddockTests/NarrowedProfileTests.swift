import Foundation
import Testing

/// An agent.yaml that names a stricter profile.
@Suite("A narrowed profile")
struct NarrowedProfileTests {
    /// What busybox's shell and tools call here, but for `symlink`.
    private static let shell = [
        "access", "arch_prctl", "brk", "execve", "fcntl", "getcwd", "getpid", "getppid", "getrandom", "getuid", "lseek",
        "mmap", "mprotect", "munmap", "newfstatat", "openat", "pread64", "prlimit64", "read", "readlink", "rseq",
        "sendfile", "set_robust_list", "set_tid_address", "uname", "unlink",
    ]

    private func run(
        _ manifest: String, _ script: String, _ options: [String] = []
    ) async throws -> Program {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                try Data("FROM \(Fixture.busybox)\n".utf8).write(to: folder.appending(path: "Dockerfile"))
                try Data(manifest.utf8).write(to: folder.appending(path: "agent.yaml"))
                let program = try Program.paddock(
                    ["run", folder.path()] + options + ["--", "sh", "-c", script], environment: state)
                try await program.exitCode()
                return program
            }
        }
    }

    private static let script = "echo ran; ln -s /x /tmp/l && echo linked"

    @Test("a call that is not listed fails inside, and works when it is listed, or without a profile")
    func symlink() async throws {
        let allow = Self.shell.joined(separator: ", ")
        let narrowed = try await run("name: narrowed\nseccomp: {allow: [\(allow)]}", Self.script)
        #expect(narrowed.stdout == "ran\n", "\(narrowed.stderr)")
        #expect(narrowed.stderr.contains("Operation not permitted"))
        let listed = try await run("name: narrowed\nseccomp: {allow: [\(allow), symlink]}", Self.script)
        #expect(listed.stdout == "ran\nlinked\n", "\(listed.stderr)")
        let control = try await run("name: narrowed", Self.script)
        #expect(control.stdout == "ran\nlinked\n", "\(control.stderr)")
    }

    @Test("it holds on every runtime that the Engine has")
    func runtimes() async throws {
        let allow = Self.shell.joined(separator: ", ")
        for runtime in try await Fixture.runtimes() {
            let program = try await run(
                "name: narrowed\nseccomp: {allow: [\(allow)]}", Self.script, ["--runtime", runtime])
            #expect(program.stdout == "ran\n", "\(runtime): \(program.stderr)")
        }
    }

    @Test("under a profile that lists nothing the agent is started, and how it ends is told")
    func nothingListed() async throws {
        // A C library that may not even get memory gives up.
        let program = try await run("name: narrowed\nseccomp: {allow: []}", "echo ran")
        #expect(try await program.exitCode() == 127, "\(program.stderr)")
        #expect(program.stderr.contains("failed: exited with code 127"))
        #expect(program.stdout.isEmpty)
    }

    @Test("timeouts and the output file need no call that the profile must list")
    func endings() async throws {
        let manifest =
            "name: narrowed\n"
            + "seccomp: {allow: [brk, mprotect, getuid, getppid, getpid, getcwd, newfstatat, uname, readlink]}"
        let limits = "\nlimits: {timeoutSeconds: 1, graceSeconds: 1}"
        let stuck = try await run(manifest + limits, "trap '' TERM; while :; do :; done")
        #expect(try await stuck.exitCode() == 124, "\(stuck.stderr)")
        #expect(stuck.stderr.contains("timed_out"))
        let output = try await run(manifest, "echo '{' > $OUTPUT")
        #expect(try await output.exitCode() == 1, "\(output.stderr)")
    }

    @Test("a looser profile is refused before anything is built")
    func looser() async throws {
        let program = try await run("name: narrowed\nseccomp: {allow: [read, unshare]}", "true")
        #expect(try await program.exitCode() == 125)
        #expect(program.stderr.contains("seccomp.allow: unshare is refused by the standard policy"))
        #expect(!program.stderr.contains("building"))
    }
}
