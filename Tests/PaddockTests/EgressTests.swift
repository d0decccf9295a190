import DockerAPI
import Entitlements
import Foundation
import Testing

/// What an agent reaches with an allow-list and without, by real clients in real sandboxes.
@Suite("Egress")
struct EgressTests {
    private static func urllib(_ url: String) -> [String] {
        [
            "python3", "-c", "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode(), end='')",
            url,
        ]
    }

    private static func requests(_ url: String) -> [String] {
        ["python3", "-c", "import sys, requests; print(requests.get(sys.argv[1]).text, end='')", url]
    }

    @Test("curl, urllib, requests and wget need nothing but the environment; without --allow they reach nothing")
    func clients() async throws {
        try await EgressFixture.with { fixture in
            try await Fixture.withState { state in
                let plain = "http://localhost:\(fixture.http)/"
                let secure = "https://localhost:\(fixture.https)/"
                let commands = [
                    ["curl", "-sS", plain], ["curl", "-sS", secure], Self.urllib(plain), Self.urllib(secure),
                    Self.requests(plain), Self.requests(secure), ["busybox", "wget", "-q", "-O", "-", plain],
                ]
                for command in commands {
                    let allowed = try await fixture.run(fixture.flags, command, state)
                    #expect(try await allowed.exitCode() == 0, "\(command): \(allowed.stderr)")
                    #expect(allowed.stdout == "hello from the host\n", "\(command)")
                    let control = try await fixture.run([], command, state)
                    #expect(try await control.exitCode() != 0, "\(command)")
                    #expect(control.stdout.isEmpty, "\(command)")
                }
            }
        }
    }

    @Test("on every runtime of the Engine")
    func runtimes() async throws {
        let names = try await Fixture.runtimes()
        try await EgressFixture.with { fixture in
            try await Fixture.withState { state in
                for name in names {
                    let program = try await fixture.run(
                        fixture.flags + ["--runtime", name], ["curl", "-sS", "https://localhost:\(fixture.https)/"],
                        state)
                    #expect(program.stdout == "hello from the host\n", "\(name): \(program.stderr)")
                }
            }
        }
    }

    @Test(
        "what is not listed is refused, and what is listed leads to no reserved address; each is told once, and recorded"
    )
    func refused() async throws {
        try await EgressFixture.with { fixture in
            try await Fixture.withState { state in
                let port = fixture.http
                let script = """
                    curl -s -o /dev/null -w '%{http_code}\\n' http://unlisted.test:\(port)/
                    curl -s -o /dev/null -w '%{http_code}\\n' http://unlisted.test:\(port)/
                    curl -s -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:\(port)/ --noproxy ''
                    curl -s -o /dev/null -w '%{http_code}\\n' http://169.254.169.254/latest/meta-data/
                    curl -s -o /dev/null -w '%{http_code}\\n' http://localhost:\(port)/
                    """
                let program = try await fixture.run(
                    ["--json", "--allow", "localhost:\(port)", "--allow", "169.254.169.254:80"], ["sh", "-c", script],
                    state)
                let execution = try Fixture.document(program.stdout)
                #expect(execution["reason"] as? String == "exit", "\(execution)")
                let network = try #require(execution["network"] as? [String: Any])
                #expect(network["mode"] as? String == "allowlist")
                #expect(network["allow"] as? [String] == ["localhost:\(port)", "169.254.169.254:80"])
                let connections = try #require(network["connections"] as? [[String: Any]])
                let told = connections.map { "\($0["host"] ?? "") \($0["verdict"] ?? "") \($0["reason"] ?? "")" }
                #expect(
                    told == [
                        "unlisted.test refused not_listed", "unlisted.test refused not_listed",
                        "127.0.0.1 refused not_listed", "169.254.169.254 refused reserved_address",
                        "localhost refused reserved_address",
                    ])
                let lines = program.stderr.split(separator: "\n").filter { $0.contains("egress: GET") }
                #expect(lines.count == 5, "four refusals, and how often the first came: \(program.stderr)")
                #expect(program.stderr.contains("(add --allow unlisted.test:\(port)): 2 times"))
                #expect(program.stderr.contains("a cloud's metadata service"))
                #expect((execution["usage"] as? [String: Any])?["egressBytes"] as? Int == 0)
                #expect(network["connectionCounts"] as? [String: Int] == ["allowed": 0, "refused": 5, "failed": 0])
            }
        }
    }

    @Test("the summary tells apart what was let out, refused and failed")
    func summary() async throws {
        try await EgressFixture.with { fixture in
            try await Fixture.withState { state in
                let script = """
                    curl -s -o /dev/null http://localhost:\(fixture.http)/
                    curl -s -o /dev/null http://unlisted.test/ http://unlisted.test/a
                    curl -s -o /dev/null http://no-such-host.invalid/
                    """
                let flags = fixture.flags + ["--allow", "no-such-host.invalid:80"]
                let program = try await fixture.run(flags, ["sh", "-c", script], state)
                let told = /1 connection out, \d+ bytes · 2 connections refused · 1 connection failed/
                #expect(program.stderr.contains(told), "\(program.stderr)")
                let refused = try await fixture.run(
                    flags, ["curl", "-s", "-o", "/dev/null", "http://unlisted.test/"], state)
                #expect(refused.stderr.contains(" · 1 connection refused\n"), "\(refused.stderr)")
                #expect(!refused.stderr.contains(" out"), "\(refused.stderr)")
            }
        }
    }

    @Test("with an allow-list the sandbox still has no interface but loopback, and no way past the proxy")
    func noInterface() async throws {
        try await EgressFixture.with { fixture in
            try await Fixture.withState { state in
                let script = """
                    ls /sys/class/net
                    for to in http://127.0.0.1:\(fixture.http)/ http://192.0.2.1/ http://[2001:db8::1]/
                    do curl -s --noproxy '*' -m 20 -o /dev/null "$to"; echo $?; done
                    """
                let program = try await fixture.run(fixture.flags, ["sh", "-c", script], state)
                // 7 is “could not connect”; curl(1).
                #expect(program.stdout == "lo\n7\n7\n7\n", "\(program.stderr)")
            }
        }
    }

    @Test("200 connections at once, and 64 MiB both ways, arrive whole")
    func load() async throws {
        try await EgressFixture.with { fixture in
            try await Fixture.withState { state in
                let script = """
                    import asyncio, hashlib, json, os, sys, urllib.request
                    port = int(sys.argv[1])
                    url = f"http://localhost:{port}"
                    got = urllib.request.urlopen(url + f"/bytes/{64 << 20}").read()
                    body = b"y" * (64 << 20)
                    sum = urllib.request.urlopen(urllib.request.Request(url, data=body)).read().decode().strip()
                    async def tunnel():
                        return await asyncio.open_connection("127.0.0.1", 3128)
                    async def fetch(reader, writer):
                        writer.write(f"CONNECT localhost:{port} HTTP/1.1\\r\\nHost: localhost:{port}\\r\\n\\r\\n".encode())
                        head = await reader.readuntil(b"\\r\\n\\r\\n")
                        writer.write(b"GET /bytes/1000 HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
                        head += await reader.readuntil(b"\\r\\n\\r\\n")
                        body = await reader.read()
                        writer.close()
                        return head.count(b" 200 ") == 2 and len(body) == 1000
                    async def main():
                        tunnels = await asyncio.gather(*(tunnel() for _ in range(200)))
                        return await asyncio.gather(*(fetch(*t) for t in tunnels))
                    whole = [len(got) == 64 << 20, sum == hashlib.sha256(body).hexdigest()] + asyncio.run(main())
                    json.dump({"whole": whole.count(True), "of": len(whole)}, open(os.environ["OUTPUT"], "w"))
                    """
                let program = try await fixture.run(
                    fixture.flags + ["--json", "--timeout", "100"], ["python3", "-c", script, "\(fixture.http)"], state)
                let execution = try Fixture.document(program.stdout)
                #expect(execution["status"] as? String == "succeeded", "\(program.stderr)")
                let usage = try #require(execution["usage"] as? [String: Any])
                #expect(try #require(usage["egressBytes"] as? Int) > 128 << 20)
                let network = try #require(execution["network"] as? [String: Any])
                #expect((network["connections"] as? [Any])?.count == 202)
                #expect(execution["output"] as? [String: Int] == ["whole": 202, "of": 202], "\(program.stderr)")
            }
        }
    }

    @Test("an agent.yaml's list holds, and the flags add to it")
    func manifest() async throws {
        try await EgressFixture.with { fixture in
            try await Fixture.withState { state in
                let manifest = """
                    name: reaches-out
                    network:
                      mode: allowlist
                      allow: ["localhost:\(fixture.http)"]
                    """
                try Data(manifest.utf8).write(to: URL(filePath: fixture.image + "/agent.yaml"))
                let both = ["http://localhost:\(fixture.http)/", "https://localhost:\(fixture.https)/"]
                let command = ["curl", "-s", "-w", "%{http_code} %{http_connect}\n"] + both
                let own = try await fixture.run(["--allow-private", "127.0.0.1/32"], command, state)
                #expect(own.stdout == "hello from the host\n200 000\n000 403\n", "\(own.stderr)")
                let more = try await fixture.run(fixture.flags, command, state)
                #expect(more.stdout.contains("200 200"), "\(more.stderr)")
            }
        }
    }

    @Test("the proxy's socket goes with the execution, and after kill -9 with the next")
    func sockets() async throws {
        try await Fixture.withState { state in
            let folder = try #require(state["PADDOCK_STATE_DIR"]) + "/egress"
            func sockets() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder) }
            let flags = ["run", "--allow", "api.example.com", Fixture.busybox, "--"]
            let program = try Program.paddock(flags + ["sh", "-c", "echo ready; sleep 3600"], environment: state)
            try await program.wait(for: "ready") { program.stdout.contains("ready") }
            #expect(try sockets().count == 1)
            program.signal(SIGKILL)
            try await program.exitCode()
            #expect(try sockets().count == 1)
            let next = try Program.paddock(flags + ["true"], environment: state)
            #expect(try await next.exitCode() == 0, "\(next.stderr)")
            #expect(try sockets().isEmpty)
        }
    }

    @Test("an agent that kills or stops the forwarder harms only itself", arguments: ["KILL", "STOP"])
    func forwarder(signal: String) async throws {
        try await EgressFixture.with { fixture in
            try await Fixture.withState { state in
                let script = """
                    import os, signal, socket, subprocess, sys
                    def forwarders():
                        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
                        return [pid for pid in pids if pid not in (1, os.getpid())]
                    def curl(limit):
                        words = ["curl", "-s", "-m", limit, "-o", "/dev/null", "http://localhost:" + sys.argv[1]]
                        return subprocess.run(words).returncode
                    def ask(host):
                        with socket.socket(socket.AF_UNIX) as proxy:
                            proxy.connect("/.paddock/egress/proxy.sock")
                            proxy.sendall(f"CONNECT {host}:{sys.argv[1]} HTTP/1.1\\r\\n\\r\\n".encode())
                            return proxy.recv(1000).decode().split()[1]
                    found = forwarders()
                    before = curl("100")
                    for pid in found: os.kill(pid, getattr(signal, "SIG" + sys.argv[2]))
                    print(len(found), before, curl("5") != 0, ask("localhost"), ask("unlisted.test"), file=sys.stderr)
                    sys.exit(7)
                    """
                let program = try await fixture.run(
                    fixture.flags + ["--json"], ["python3", "-c", script, "\(fixture.http)", signal], state)
                let execution = try Fixture.document(program.stdout)
                #expect(execution["status"] as? String == "failed", "\(program.stderr)")
                #expect(execution["reason"] as? String == "exit")
                #expect(execution["exitCode"] as? Int == 7)
                #expect(program.stderr.contains("1 0 True 200 403"), "\(program.stdout) \(program.stderr)")
                let network = try #require(execution["network"] as? [String: Any])
                #expect(network["connectionCounts"] as? [String: Int] == ["allowed": 2, "refused": 1, "failed": 0])
                let folder = try #require(state["PADDOCK_STATE_DIR"]) + "/egress"
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
            }
        }
    }

    @Test("paddock may open as many files as the host lets it, whatever it was started with")
    func descriptors() async throws {
        try await Fixture.withState { state in
            let script = "ulimit -S -n 100; exec \"$0\" \"$@\""
            let arguments = ["-c", script, Program.paddock, "run", Fixture.busybox, "--"]
            let program = try Program(
                "/bin/sh", arguments + ["sh", "-c", "echo ready; sleep 3600"], environment: state)
            try await program.wait(for: "ready") { program.stdout.contains("ready") }
            let limits = try String(contentsOfFile: "/proc/\(program.processID)/limits", encoding: .utf8)
            let line = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max open files") })
            let numbers = line.split(separator: " ").compactMap { Int($0) }
            #expect(numbers.count == 2 && numbers[0] == numbers[1], "\(line)")
            program.signal(SIGINT)
            #expect(try await program.exitCode() == 130)
        }
    }

    @Test(
        "a rule that cannot be used is refused before anything runs, with what to write",
        arguments: [
            (["--allow", "https://api.example.com/v1"], "write api.example.com:443"),
            (["--allow", "*"], "write HOST or HOST:PORT"),
            (["--allow", "api.example.com:0"], "1 to 65535"),
            (["--allow", "127.1"], "write four decimal numbers"),
            (["--allow", "api.example.com", "--allow-private", "0.0.0.0/0"], "not within one private range"),
            (["--allow-private", "10.0.0.0/8"], "add --allow HOST"),
            (["--allow", "a.example", "--allow-private", "64:ff9b::/96"], "--allow-private: 64:ff9b::/96 is an IPv4"),
        ])
    func invalid(flags: [String], says: String) async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                ["run"] + flags + [Fixture.busybox, "--", "echo", "ran"], environment: state)
            #expect(try await program.exitCode() == 125)
            #expect(program.stdout.isEmpty)
            #expect(program.stderr.contains(says), "\(program.stderr)")
        }
    }
}
