import Foundation
import Testing

/// What the proxy makes of names and addresses, on a host whose names and addresses the test decides.
@Suite(
    "Egress: names and addresses", .enabled(if: geteuid() == 0, "unshare makes the test's own host as root; CI is root")
)
struct EgressWorldTests {
    /// The status that each URL is answered with through the proxy, and what `paddock` said.
    private func statuses(
        of urls: [String], allowing allowed: [String]
    ) async throws -> (statuses: [String], stderr: String) {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                let curls = urls.map { "curl -s -o /dev/null -w '%{http_code}\\n' '\($0)'" }
                let flags = allowed.flatMap { ["--allow", $0] } + ["--allow-private", "127.0.0.0/8"]
                let program = try Program(
                    "/usr/bin/env",
                    ["unshare", "--net", "--mount", "python3", Program.packageFolder + "/Tests/Egress/world.py"]
                        + [folder.path(), Program.paddock, "run"] + flags
                        + ["paddock/test-http:1", "--", "sh", "-c", curls.joined(separator: "; ")],
                    environment: state)
                try await program.exitCode()
                return (program.stdout.split(separator: "\n").map(String.init), program.stderr)
            }
        }
    }

    @Test("a name is resolved as it is, and not with resolv.conf's search list; /etc/hosts holds")
    func names() async throws {
        // a.wild.test.corp.test exists, and a.wild.test does not.
        let hosts = ["a.wild.test", "real.wild.test", "filed.wild.test", "localhost"]
        let (statuses, stderr) = try await statuses(
            of: hosts.map { "http://\($0)/" }, allowing: ["*.wild.test:80", "localhost:80"])
        #expect(statuses == ["502", "200", "200", "200"], "\(stderr)")
    }

    @Test("a public address of the host itself is refused, by its name and by itself")
    func own() async throws {
        let (statuses, stderr) = try await statuses(
            of: ["http://public.test/", "http://11.22.33.44/", "http://localhost/"],
            allowing: ["public.test:80", "11.22.33.44:80", "localhost:80"])
        #expect(statuses == ["403", "403", "200"], "\(stderr)")
        #expect(stderr.contains("public.test leads to 11.22.33.44, which is an address of this host\n"), "\(stderr)")
        #expect(stderr.contains("11.22.33.44 is an address of this host\n"), "\(stderr)")
    }
}
