import Foundation
import Testing

@testable import Paddock

@Suite("The configuration of serve")
struct ConfigurationTests {
    /// A folder with these files.
    private func with<Result>(_ files: [String: String], _ body: (String) throws -> Result) throws -> Result {
        let folder = "/tmp/paddock-configuration-\(UInt64.random(in: 0...UInt64.max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (name, text) in files {
            try text.write(toFile: "\(folder)/\(name)", atomically: false, encoding: .utf8)
        }
        return try body(folder)
    }

    private func sources(
        flags: [String: String] = [:], environment: [String: String] = [:], dotEnv: String = "", yaml: String = ""
    ) throws -> ConfigurationSources {
        try with(["env": dotEnv, "yaml": yaml]) { folder in
            try ConfigurationSources(
                flags: flags, environment: environment, environmentPath: folder + "/env", yamlPath: folder + "/yaml")
        }
    }

    @Test("comes from flags, then the environment, then .env, then YAML")
    func order() throws {
        let yaml = "server: { port: 1 }"
        #expect(try sources()["server.port"] == "8200")
        #expect(try sources(yaml: yaml)["server.port"] == "1")
        #expect(try sources(dotEnv: "PORT=2", yaml: yaml)["server.port"] == "2")
        #expect(try sources(environment: ["PORT": "3"], dotEnv: "PORT=2", yaml: yaml)["server.port"] == "3")
        let all = try sources(flags: ["server.port": "4"], environment: ["PORT": "3"], dotEnv: "PORT=2", yaml: yaml)
        #expect(all["server.port"] == "4")
        #expect(all.source(of: "server.port") == "flag")
        // Set and empty is not set.
        #expect(try sources(environment: ["PORT": ""], yaml: yaml)["server.port"] == "1")
    }

    @Test("reads .env as others do")
    func dotEnv() throws {
        let text = """
            # a comment
            export PORT = 81  # behind a value
            JWT_SECRET="quoted # and = kept"  # "this" is not
            OTHER_PROGRAM=is not ours
            """
        let sources = try sources(dotEnv: text)
        #expect(sources["server.port"] == "81")
        #expect(sources["auth.jwtSecret"] == "quoted # and = kept")
    }

    @Test("refuses keys that nobody reads, and values that cannot be")
    func refused() throws {
        #expect(throws: Failure.self) { try sources(yaml: "server: { prot: 1 }") }
        #expect(throws: Failure.self) { try sources(dotEnv: "PADDOCK_SLOT=1") }
        #expect(throws: Failure.self) { try sources(flags: ["a.b": "1"]) }
        #expect(throws: Failure.self) { try sources(yaml: "- 1") }
        for flags in [
            ["server.port": "x"], ["server.port": "70000"], ["server.headTimeout": "10 apples"],
            ["auth.jwtSecret": "short"],
            ["server.tlsKey": "/key.pem"], ["log.level": "loud"], ["egress.allowPrivate": "8.8.8.0/24"],
            ["docker.host": "tcp://x"], ["database.url": "mysql://x"],
        ] {
            #expect(throws: (any Error).self, "\(flags)") {
                try ServeConfiguration(try sources(flags: flags), environment: [:])
            }
        }
    }

    @Test("shows no secret, also not in an error")
    func secrets() throws {
        let short = try sources(flags: ["auth.jwtSecret": "hunter2"])
        do {
            _ = try ServeConfiguration(short, environment: [:])
            Issue.record("a short secret was taken")
        } catch {
            #expect(!"\(error)".contains("hunter2"))
        }
    }

    @Test("takes times with their units")
    func times() throws {
        let sources = try sources(flags: [
            "server.headTimeout": "250ms", "server.bodyTimeout": "1.5s", "server.idleTimeout": "90",
            "auth.jwtExpiry": "7d",
        ])
        #expect(try sources.duration("server.headTimeout") == .milliseconds(250))
        #expect(try sources.duration("server.bodyTimeout") == .milliseconds(1500))
        #expect(try sources.duration("server.idleTimeout") == .seconds(90))
        #expect(try sources.duration("auth.jwtExpiry") == .seconds(7 * 86_400))
    }

    @Test("lists every key in the documentation")
    func documented() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../docs/serve.md")
        let text = try String(contentsOf: path, encoding: .utf8)
        for key in ConfigurationKey.all {
            #expect(text.contains("| `\(key.name)` | `\(key.variable)` |"), "docs/serve.md lacks \(key.name)")
        }
        #expect(Set(ConfigurationKey.all.map(\.name)).count == ConfigurationKey.all.count)
        #expect(Set(ConfigurationKey.all.map(\.variable)).count == ConfigurationKey.all.count)
    }
}
