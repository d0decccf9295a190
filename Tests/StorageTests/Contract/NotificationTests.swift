import DatabaseFixtures
import Testing

@testable import Storage

@Suite("Notifications")
struct NotificationTests {
    private struct Refused: Error {}

    @Test("begin with a look into the tables, and come with the commit, in order", arguments: Backend.allCases)
    func committed(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await database.withNotifications("news") { notifications in
                var heard = notifications.makeAsyncIterator()
                #expect(try await heard.next() == .catchUp)
                await #expect(throws: Refused.self) {
                    try await database.transaction { transaction in
                        try await transaction.notify("news", "never")
                        throw Refused()
                    }
                }
                try await database.transaction { transaction in
                    try await transaction.notify("news", "one")
                    try await transaction.notify("other", "not ours")
                    try await transaction.notify("news", "two")
                }
                #expect(try await heard.next() == .message("one"))
                #expect(try await heard.next() == .message("two"))
            }
        }
    }

    @Test("reach every listener of the channel, and several channels", arguments: Backend.allCases)
    func many(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await database.withNotifications("a") { first in
                var first = first.makeAsyncIterator()
                #expect(try await first.next() == .catchUp)
                try await database.withNotifications("b") { second in
                    var second = second.makeAsyncIterator()
                    #expect(try await second.next() == .catchUp)
                    try await database.transaction { transaction in
                        try await transaction.notify("a", "1")
                        try await transaction.notify("b", "2")
                    }
                    #expect(try await first.next() == .message("1"))
                    #expect(try await second.next() == .message("2"))
                }
            }
        }
    }

    @Test("from another node arrive")
    func nodes() async throws {
        try await Backend.postgres.withLocation { location in
            try await location.withDatabase { one in
                try await location.withDatabase { other in
                    try await one.withNotifications("news") { notifications in
                        var heard = notifications.makeAsyncIterator()
                        #expect(try await heard.next() == .catchUp)
                        try await other.transaction { try await $0.notify("news", "hello") }
                        #expect(try await heard.next() == .message("hello"))
                    }
                }
            }
        }
    }

    @Test("beyond what a slow listener has room for become a look into the tables")
    func slow() async throws {
        let notifications = Notifications(channel: "news")
        for number in 0..<3 * Notifications.room { notifications.post(.message("\(number)")) }
        var heard = notifications.makeAsyncIterator()
        #expect(try await heard.next() == .catchUp)
    }

    @Test("that are too long are refused", arguments: Backend.allCases)
    func tooLong(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            let code = try await errorCode {
                try await database.transaction { try await $0.notify("news", String(repeating: "x", count: 1001)) }
            }
            #expect(code == .invalidValue)
        }
    }

    @Test("end with the task, and with the database", arguments: Backend.allCases)
    func ended(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            let waiter = Task {
                try await database.withNotifications("news") { for try await _ in $0 {} }
            }
            waiter.cancel()
            await #expect(throws: CancellationError.self) { try await waiter.value }
            try await database.withNotifications("news") { notifications async throws in
                var heard = notifications.makeAsyncIterator()
                #expect(try await heard.next() == .catchUp)
                await database.close()
                #expect(try await errorCode { _ = try await heard.next() } == .databaseClosed)
            }
        }
    }
}
