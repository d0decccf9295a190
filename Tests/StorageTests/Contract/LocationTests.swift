import DatabaseFixtures
import Testing

@testable import Storage

@Suite("DATABASE_URL")
struct LocationTests {
    @Test(
        "names a database",
        arguments: [
            (nil, "sqlite:/state/paddock.sqlite"),
            ("", "sqlite:/state/paddock.sqlite"),
            ("sqlite:/data/my.db", "sqlite:/data/my.db"),
            ("sqlite:///data/my.db", "sqlite:/data/my.db"),
            ("sqlite:my.db", "sqlite:my.db"),
            ("postgresql://db.example/paddock", "postgresql://db.example/paddock"),
            ("postgres://u:hush@db.example:5433/paddock?sslmode=require", "postgresql://db.example:5433/paddock"),
            ("postgresql://u:hush%40hush@db.example/paddock", "postgresql://db.example/paddock"),
            ("postgresql://u:hush@one,two:5433/paddock", "postgresql://one,two:5433/paddock"),
            ("postgresql:///paddock?host=/run/postgresql&password=hush", "postgresql:///run/postgresql/paddock"),
        ] as [(String?, String)])
    func good(_ url: String?, _ shown: String) throws {
        #expect(try DatabaseLocation(url: url, stateFolder: "/state").description == shown)
    }

    @Test(
        "that is bad is told, without its password",
        arguments: [
            "mysql://u:hush@db/paddock", "hush", "sqlite:", "sqlite::memory:", "sqlite://hush/x",
            "sqlite:file:x?mode=memory",
            "postgresql://u:hush%zz@db/paddock", "postgresql://u:hu@sh@db/paddock", "postgresql://u:12/hush@db/paddock",
            "postgresql://u:hush/x@db/paddock", "postgresql://db:hush/paddock", "postgresql://db/paddock?hush=1",
            "postgresql://db:99999/paddock", "postgresql://[hush/paddock", "postgresql://db/paddock?sslmode",
            "postgres://u:pa#hush@db@x/paddock",
        ])
    func bad(_ url: String) throws {
        do {
            let location = try DatabaseLocation(url: url, stateFolder: "/state")
            Issue.record("taken: \(location)")
        } catch let error as DatabaseError {
            #expect(error.code == .invalidURL)
            if !url.hasPrefix("sqlite") { #expect(!"\(error)".contains("hush")) }
        }
    }
}
