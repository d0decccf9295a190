import Foundation
import Testing

/// Agents that try to outlive their ending, and what the kernel says that they used.
@Suite("Nothing delays an ending, and usage is the kernel's")
struct HoldUpTests {
    /// Every agent here would last ten minutes, if it could delay its end. By how much an end is late, `make bench`
    /// measures: on a busy machine that is no matter of right or wrong.
    private static let grace = 0.5

    @Test(
        "a timeout ends an agent, whatever it does",
        arguments: [
            ("stops itself", "kill -STOP $$; sleep 600"),
            ("stops all of its processes", "sleep 600 & sleep 600 & kill -STOP -1; sleep 600"),
            ("ignores SIGTERM", "trap '' TERM; while true; do sleep 1; done"),
            ("ignores every signal", "for s in 1 2 3 6 10 12 13 14 15 17 18; do trap '' $s; done; while :; do :; done"),
            (
                "ignores SIGTERM with all of its descendants",
                "trap '' TERM; (trap '' TERM; sleep 600) & (trap '' TERM; setsid sleep 600) & wait"
            ),
        ])
    func timeout(name: String, script: String) async throws {
        let execution = try await run(script, timeout: 1)
        #expect(execution["status"] as? String == "timed_out", "\(name): \(execution)")
    }

    @Test(
        "what an agent leaves behind does not hold up its end",
        arguments: [
            ("a child that holds stdout", "sleep 600 & exit 3"),
            ("a session of its own", "setsid sleep 600 & exit 3"),
            ("a stopped child", "sleep 600 & kill -STOP $!; exit 3"),
            (
                "16 levels of double forks",
                "n=$((${1:-0} + 1)); [ $n -gt 16 ] && exec setsid sleep 600; (setsid sh -c \"$0\" \"$0\" $n &) ; "
                    + "[ $n = 1 ] && sleep 0.3 && exit 3"
            ),
        ])
    func leftBehind(name: String, script: String) async throws {
        let execution = try await run(script, timeout: 300)
        #expect(execution["exitCode"] as? Int == 3, "\(execution)")
        #expect(execution["reason"] as? String == "exit", "\(name)")
    }

    /// Runs a shell script that finds itself in `$0`.
    private func run(_ script: String, timeout: Double) async throws -> [String: Any] {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                [
                    "run", "--json", "--timeout", "\(timeout)", "--grace", "\(Self.grace)", Fixture.busybox, "--",
                    "sh", "-c", script, script,
                ], environment: state)
            try await program.exitCode()
            return try Fixture.document(program.stdout)
        }
    }

    @Test("wall clock, CPU time and peak memory are what the kernel told the agent, to a tenth")
    func usage() async throws {
        // Counted by the agent from inside, by other means than the init's: its own clocks and its cgroup's files.
        let script = """
            import json, os, time
            held = bytearray(100 << 20)
            while time.process_time() < 2: pass
            def read(*paths):
                for path in paths:
                    if os.path.exists(path): return int(open(path).read())
            peak = read("/sys/fs/cgroup/memory/memory.max_usage_in_bytes", "/sys/fs/cgroup/memory.peak")
            # Its start is in ticks since boot; proc_pid_stat(5).
            start = int(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
            wall = time.clock_gettime(time.CLOCK_BOOTTIME) - start
            json.dump({"cpu": time.process_time(), "wall": wall, "peak": peak},
                      open(os.environ["OUTPUT"], "w"))
            """
        let began = ContinuousClock.now
        let execution = try await Fixture.withState { state in
            let program = try Program.paddock(
                ["run", "--json", "--cpus", "1", Fixture.python, "--", "python3", "-c", script], environment: state)
            try await program.exitCode()
            return try Fixture.document(program.stdout)
        }
        let usage = try #require(execution["usage"] as? [String: Any])
        let own = try #require(execution["output"] as? [String: Any], "\(execution)")
        let around = (ContinuousClock.now - began) / .seconds(1)
        func near(_ key: String, _ scale: Double, _ ownKey: String, most: Double? = nil) throws {
            let told = try #require(usage[key] as? Double) * scale
            let seen = try #require(own[ownKey] as? Double)
            // The interpreter's end, which the agent does not see, is in it as well.
            let most = most ?? seen * 1.1 + 0.2
            #expect(told >= seen * 0.99 && told <= most, "\(key): \(told), the agent saw \(seen), at most \(most)")
        }
        try near("cpuMs", 0.001, "cpu")
        // A machine that is busy may take any time for the interpreter's end.
        try near("wallMs", 0.001, "wall", most: around)
        try near("maxMemoryBytes", 1, "peak")
    }
}
