import Foundation
import Testing

/// A web server on this machine's loopback, with and without TLS, and an image whose programs trust it.
struct EgressFixture {
    let image: String
    let http: Int
    let https: Int
    /// Lists both ports, and the host's loopback behind them.
    var flags: [String] {
        ["--allow", "localhost:\(http)", "--allow", "localhost:\(https)", "--allow-private", "127.0.0.1/32"]
    }

    static func with(_ body: (EgressFixture) async throws -> Void) async throws {
        try await Fixture.withFolder { folder in
            let (certificate, key) = (folder.path() + "/certificate.pem", folder.path() + "/key.pem")
            let made = try Program(
                "/usr/bin/env",
                [
                    "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-out", certificate, "-keyout", key,
                ])
            #expect(try await made.exitCode() == 0, "\(made.stderr)")
            let dockerfile = """
                FROM paddock/test-http:1
                LABEL paddock.test=\(UUID())
                COPY certificate.pem /
                ENV CURL_CA_BUNDLE=/certificate.pem SSL_CERT_FILE=/certificate.pem REQUESTS_CA_BUNDLE=/certificate.pem

                """
            try Data(dockerfile.utf8).write(to: folder.appending(path: "Dockerfile"))
            try Data("key.pem\n".utf8).write(to: folder.appending(path: ".dockerignore"))
            let servers = [try server([]), try server([certificate, key])]
            defer { for server in servers { server.signal(SIGKILL) } }
            var ports: [Int] = []
            for server in servers {
                try await server.wait(for: "its port") { server.stdout.hasSuffix("\n") }
                ports.append(try #require(Int(server.stdout.dropLast())))
            }
            try await body(EgressFixture(image: folder.path(), http: ports[0], https: ports[1]))
        }
    }

    private static func server(_ arguments: [String]) throws -> Program {
        try Program("/usr/bin/env", ["python3", Program.packageFolder + "/Tests/Egress/server.py"] + arguments)
    }

    /// Runs a command in the image to its end.
    func run(_ flags: [String], _ command: [String], _ state: [String: String]) async throws -> Program {
        let program = try Program.paddock(["run"] + flags + [image, "--"] + command, environment: state)
        try await program.exitCode()
        return program
    }
}
