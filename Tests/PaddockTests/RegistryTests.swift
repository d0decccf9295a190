import DockerAPI
import Foundation
import Testing

/// Pulling, from a real registry that the test starts.
@Suite("An image that is absent")
struct RegistryTests {
    /// Debian's `docker-registry` on a free port of the loopback interface.
    private func withRegistry(_ body: (String) async throws -> Void) async throws {
        try await Fixture.withFolder { folder in
            let address = "127.0.0.1:\(try Self.freePort())"
            let configuration = """
                version: 0.1
                storage:
                  filesystem:
                    rootdirectory: \(folder.path())/data
                http:
                  addr: \(address)
                """
            let file = folder.appending(path: "config.yml")
            try Data(configuration.utf8).write(to: file)
            let registry = try Program("/usr/bin/docker-registry", ["serve", file.path()])
            try await registry.wait(for: "the registry") {
                !registry.isRunning || registry.stderr.contains("listening on")
            }
            try await body(address)
            registry.signal(SIGTERM)
            try await registry.exitCode()
        }
    }

    private static func freePort() throws -> UInt16 {
        let socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(socket, pointer, length) == 0 && getsockname(socket, pointer, &length) == 0
            }
        }
        guard isBound else { throw POSIXError(.EADDRINUSE) }
        return UInt16(bigEndian: address.sin_port)
    }

    @Test("is pulled and run; a tag that the registry does not have is said so")
    func pulled() async throws {
        try await withRegistry { address in
            try await Fixture.withState { state in
                try await Fixture.withClient { client in
                    let name = "\(address)/agents/busybox"
                    try await client.tagImage(Fixture.busybox, repository: name, tag: "1")
                    _ = try await Program.output("/usr/bin/env", ["docker", "push", "-q", "\(name):1"])
                    try await client.removeImage("\(name):1")

                    let program = try Program.paddock(
                        ["run", "\(name):1", "--", "echo", "pulled"], environment: state)
                    #expect(try await program.exitCode() == 0)
                    #expect(program.stdout == "pulled\n")
                    try await client.removeImage("\(name):1")

                    let absent = try Program.paddock(["run", "\(name):2"], environment: state)
                    #expect(try await absent.exitCode() == 125)
                    #expect(absent.stderr.contains("\(name):2"), "\(absent.stderr)")
                    #expect(absent.stderr.contains("manifest unknown"), "\(absent.stderr)")
                }
            }
        }
    }
}
