import DatabaseFixtures
import Testing

@testable import Storage

@Suite("PostgreSQL with TLS", .serialized)
struct TLSTests {
    private func attempt(_ url: String) async throws -> DatabaseError? {
        var configuration = Database.Configuration()
        configuration.acquireTimeout = .seconds(15)
        do {
            try await DatabaseLocation(url: url, stateFolder: "/").withDatabase(configuration) { database in
                let row = try await database.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").first
                #expect(try row?["ssl"] == true)
            }
            return nil
        } catch let error as DatabaseError {
            return error
        }
    }

    @Test("answers of every size come whole")
    func sizes() async throws {
        try await PrivateCluster.with(.tls) { cluster in
            try await cluster.send("password hush")
            let port = try await cluster.send("port")
            let url = "postgresql://paddock:hush@localhost:\(port)/postgres?hostaddr=127.0.0.1&sslmode=require"
            try await DatabaseLocation(url: url, stateFolder: "/").withDatabase { database in
                for size in stride(from: 1, to: 200_000, by: 997) {
                    let row = try await database.query("SELECT repeat('x', CAST(\(size) AS INTEGER)) AS text").first
                    let text: String? = try row?["text"]
                    #expect(text?.utf8.count == size)
                }
            }
        }
    }

    @Test("the URL's parameters decide what is accepted")
    func parameters() async throws {
        try await PrivateCluster.with(.tls) { cluster in
            try await cluster.send("password hush")
            let port = try await cluster.send("port")
            let authority = "\(cluster.folder)/ca.crt"
            func url(password: String = "hush", host: String = "localhost", _ parameters: String) -> String {
                "postgresql://paddock:\(password)@\(host):\(port)/postgres?hostaddr=127.0.0.1&\(parameters)"
            }
            #expect(try await attempt(url("sslmode=require")) == nil)
            #expect(try await attempt(url("sslmode=verify-full&sslrootcert=\(authority)")) == nil)
            // Each of these differs from one above in one point.
            // At once: each is tried again until its time is over.
            async let plain = attempt(url("sslmode=disable"))
            async let wrongHost = attempt(url(host: "elsewhere", "sslmode=verify-full&sslrootcert=\(authority)"))
            async let noAuthority = attempt(url("sslmode=verify-full&sslrootcert=/dev/null"))
            async let wrongPassword = attempt(url(password: "hushhush", "sslmode=require"))
            let errors = try await [plain, wrongHost, noAuthority, wrongPassword]
            #expect(errors[0]?.code == .databaseUnavailable)
            #expect(errors[1]?.message.contains("does not match host name") == true)
            #expect(errors[2]?.code == .databaseUnavailable)
            #expect(errors[3]?.message.contains("password authentication failed") == true)
            for error in errors {
                #expect(error.map { "\($0)".contains("hush") } == false)
            }
        }
    }
}
