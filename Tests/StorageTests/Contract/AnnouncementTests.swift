import DatabaseFixtures
import Testing

@testable import Storage

@Suite("Announcements", .timeLimit(.minutes(2)))
struct AnnouncementTests {
    private struct Refused: Error {}

    @Test("come after the commit, and never without it", arguments: Backend.allCases)
    func committed(_ backend: Backend) async throws {
        try await backend.withDatabase({ $0.connections = 1 }) { database in
            try await database.withNotifications("news") { notifications in
                var heard = notifications.makeAsyncIterator()
                #expect(try await heard.next() == .catchUp)
                for number in 0..<3 {
                    await #expect(throws: Refused.self) {
                        try await database.transaction { transaction in
                            try transaction.announce("news", "never")
                            throw Refused()
                        }
                    }
                    // On PostgreSQL, what one connection has left over would be sent with the next commit.
                    try await database.transaction { transaction in
                        try transaction.announce("other", "not ours")
                        try transaction.announce("news", "\"\(number)\"")
                    }
                    #expect(try await heard.next() == .message("\"\(number)\""))
                }
            }
        }
    }

    @Test("of many at once all arrive", arguments: Backend.allCases)
    func many(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await database.withNotifications("news") { notifications in
                var heard = notifications.makeAsyncIterator()
                #expect(try await heard.next() == .catchUp)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<200 {
                        group.addTask { try await database.transaction { try $0.announce("news", "\(number)") } }
                    }
                    try await group.waitForAll()
                }
                var missing = Set((0..<200).map { Notification.message("\($0)") })
                while !missing.isEmpty, let next = try await heard.next() { missing.remove(next) }
            }
        }
    }

    @Test("are sent before the database is closed")
    func closed() async throws {
        try await Backend.postgres.withLocation { location in
            try await location.withDatabase { database in
                try await database.withNotifications("news") { notifications in
                    var heard = notifications.makeAsyncIterator()
                    #expect(try await heard.next() == .catchUp)
                    for number in 0..<5 {
                        try await location.withDatabase { other in
                            for part in 0..<5 {
                                try await other.transaction { try $0.announce("news", "\(number).\(part)") }
                            }
                        }
                        for part in 0..<5 { #expect(try await heard.next() == .message("\(number).\(part)")) }
                    }
                }
            }
        }
    }

    @Test("that are too long are refused", arguments: Backend.allCases)
    func tooLong(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            let code = try await errorCode {
                try await database.transaction { try $0.announce("news", String(repeating: "x", count: 1001)) }
            }
            #expect(code == .invalidValue)
        }
    }
}
