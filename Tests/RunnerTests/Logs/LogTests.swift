import DatabaseFixtures
import DockerAPI
import Foundation
import Storage
import Testing

@testable import Runner

@Suite("Logs")
struct LogTests {
    /// Numbered lines, so that what is lost, doubled or out of order shows.
    private static func line(_ number: Int) -> [UInt8] { Array("line \(number) of the log\n".utf8) }

    private static func write(_ lines: Range<Int>, to writer: LogWriter) async throws {
        for number in lines { try await writer.write(line(number)[...], to: number % 3 == 0 ? .stderr : .stdout) }
    }

    private static func expected(_ lines: Range<Int>, _ stream: LogStream? = nil) -> [UInt8] {
        lines.filter { stream == nil || ($0 % 3 == 0) == (stream == .stderr) }.flatMap(line)
    }

    @Test("every follower gets every byte once, whenever it comes and however slow it is", arguments: Backend.allCases)
    func followers(backend: Backend) async throws {
        try await LogFixture.with(backend) { fixture in
            let (id, lease) = try await fixture.execution()
            let writer = try await fixture.hub.write(lease, of: id)
            try await Self.write(0..<500, to: writer)
            async let early = fixture.follow(id)
            async let slow = fixture.follow(id, pause: .milliseconds(2))
            try await Self.write(500..<3000, to: writer)
            let middle = Int64(Self.expected(0..<700).count + 5)
            async let resumed = fixture.follow(id, from: middle)
            try await Self.write(3000..<4000, to: writer)
            try await writer.finish(droppedBytes: 0)
            let late = try await fixture.follow(id)

            let all = 0..<4000
            for records in [try await early, try await slow, late, try await fixture.stored(id)] {
                #expect(records.isWhole())
                #expect(records.bytes() == Self.expected(all))
                #expect(records.bytes(of: .stderr) == Self.expected(all, .stderr))
                #expect(records.map(\.sequence) == Array(1...Int64(records.count)))
            }
            #expect(try await resumed.bytes() == Array(Self.expected(all).dropFirst(Int(middle))))
            #expect(try await resumed.isWhole(from: middle))
        }
    }

    @Test("a thousand followers of one execution", arguments: Backend.allCases)
    func thousand(backend: Backend) async throws {
        try await LogFixture.with(backend) { fixture in
            let (id, lease) = try await fixture.execution()
            let writer = try await fixture.hub.write(lease, of: id)
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<1000 {
                    group.addTask {
                        try await fixture.follow(id).bytes() == Self.expected(0..<1000)
                    }
                }
                try await Self.write(0..<1000, to: writer)
                try await writer.finish(droppedBytes: 0)
                for try await isRight in group { #expect(isRight) }
            }
        }
    }

    @Test("what a follower has seen is stored", arguments: Backend.allCases)
    func durable(backend: Backend) async throws {
        try await backend.withLocation { location in
            try await location.withDatabase { other in
                try await other.migrate()
                try await location.withDatabase { database in
                    try await LogFixture.with(database) { fixture in
                        let (id, lease) = try await fixture.execution()
                        let writer = try await fixture.hub.write(lease, of: id)
                        var reader = fixture.hub.read(id, follows: true).makeAsyncIterator()
                        for number in 0..<50 {
                            try await Self.write(number..<(number + 1), to: writer)
                            let seen = try #require(try await reader.next())
                            let stored = try await LogRepository(other).position(of: id)
                            #expect(stored.offset >= seen[seen.count - 1].end)
                        }
                    }
                }
            }
        }
    }

    @Test("a runner whose lease is lost stores nothing more, and others go on", arguments: Backend.allCases)
    func fenced(backend: Backend) async throws {
        try await LogFixture.with(backend) { fixture in
            let (id, lease) = try await fixture.execution()
            let (otherID, otherLease) = try await fixture.execution()
            let writer = try await fixture.hub.write(lease, of: id)
            let other = try await fixture.hub.write(otherLease, of: otherID)
            try await Self.write(0..<10, to: writer)
            try await writer.stored()
            try await fixture.database.execute(
                "UPDATE executions SET fence = fence + 1 WHERE id = \(lease.executionID)")
            try await Self.write(0..<10, to: other)
            let refusal = await #expect(throws: QueueError.self) {
                try await Self.write(10..<20, to: writer)
                try await writer.finish(droppedBytes: 0)
            }
            #expect(refusal?.code == .leaseLost)
            try await other.finish(droppedBytes: 0)
            #expect(try await fixture.stored(id).bytes() == Self.expected(0..<10))
            #expect(try await fixture.stored(otherID).bytes() == Self.expected(0..<10))
        }
    }

    @Test("what was left out past the limit is a record with its count", arguments: Backend.allCases)
    func truncated(backend: Backend) async throws {
        try await LogFixture.with(backend) { fixture in
            let (id, lease) = try await fixture.execution()
            let writer = try await fixture.hub.write(lease, of: id)
            try await Self.write(0..<2, to: writer)
            let kept = writer.position.offset
            try await writer.finish(droppedBytes: 1234)
            let last = try #require(try await fixture.stored(id).last)
            #expect(last.content == .truncated(1234))
            #expect(last.offset == kept)
            // Resuming within it or behind it.
            #expect(try await fixture.stored(id, from: kept + 234).map(\.content) == [.truncated(1000)])
            #expect(try await fixture.stored(id, from: kept + 1234).isEmpty)
        }
    }

    @Test("what is not stored any more is a gap with its count", arguments: Backend.allCases)
    func gap(backend: Backend) async throws {
        try await LogFixture.with(backend) { fixture in
            let (id, lease) = try await fixture.execution()
            let writer = try await fixture.hub.write(lease, of: id)
            try await Self.write(0..<10, to: writer)
            try await writer.stored()
            let end = writer.position.offset
            try await Self.write(10..<20, to: writer)
            try await writer.finish(droppedBytes: 0)
            try await fixture.database.execute(
                "DELETE FROM log_batches WHERE execution_id = \(lease.executionID) AND first_offset < \(end)")
            // As another node sees it, which has nothing of it in memory.
            let left = try await LogHub(fixture.database, logger: .silent).read(id, follows: false)
                .reduce(into: [LogRecord]()) { $0 += $1 }
            #expect(left.first?.content == .gap(end))
            #expect(left.isWhole())
            #expect(left.bytes() == Self.expected(10..<20))
        }
    }

    @Test("a runner that comes back goes on where the stored log ends", arguments: Backend.allCases)
    func reopened(backend: Backend) async throws {
        try await LogFixture.with(backend) { fixture in
            let (id, lease) = try await fixture.execution()
            let first = try await fixture.hub.write(lease, of: id)
            try await Self.write(0..<100, to: first)
            try await first.stored()
            let second = try await LogHub(fixture.database, logger: .silent).write(lease, of: id)
            #expect(second.position == first.position)
            #expect(second.position.stdoutBytes == Int64(Self.expected(0..<100, .stdout).count))
            #expect(second.position.stderrBytes == Int64(Self.expected(0..<100, .stderr).count))
        }
    }

    @Test("while PostgreSQL is away agents wait, and nothing is lost or doubled", arguments: ["stop", "kill"])
    func away(how: String) async throws {
        try await PrivateCluster.with { cluster in
            let location = try DatabaseLocation(url: cluster.url(), stateFolder: "/")
            try await location.withDatabase { database in
                try await database.migrate()
                try await LogFixture.with(database) { fixture in
                    let (id, lease) = try await fixture.execution()
                    let writer = try await fixture.hub.write(lease, of: id)
                    async let followed = fixture.follow(id)
                    try await Self.write(0..<1000, to: writer)
                    try await cluster.send(how)
                    let lines = 1000..<150_000
                    let agent = Task {
                        try await Self.write(lines, to: writer)
                        try await writer.finish(droppedBytes: 0)
                    }
                    // It can have written no more than what may wait, and is still at it.
                    try await eventually { writer.position.offset >= 1 << 18 }
                    #expect(writer.position.offset < Int64(Self.expected(0..<150_000).count))
                    try await cluster.send("start")
                    try await agent.value
                    let records = try await followed
                    #expect(records.isWhole())
                    #expect(records.bytes() == Self.expected(0..<150_000))
                    #expect(try await fixture.stored(id).bytes() == Self.expected(0..<150_000))
                }
            }
        }
    }

    @Test(
        "a log is followed where it is not written, before it begins too", .timeLimit(.minutes(5)),
        arguments: Backend.allCases)
    func elsewhere(backend: Backend) async throws {
        try await backend.withLocation { location in
            try await location.withDatabase { database in
                try await database.migrate()
                try await LogFixture.with(database) { fixture in
                    // Another node: on PostgreSQL with a database of its own.
                    try await LogFixture.with(database) { other in
                        let (id, lease) = try await fixture.execution()
                        async let early = other.follow(id)
                        let writer = try await fixture.hub.write(lease, of: id)
                        try await Self.write(0..<500, to: writer)
                        try await writer.stored()
                        async let late = other.follow(id, from: 100)
                        async let slow = other.follow(id, pause: .milliseconds(1))
                        try await Self.write(500..<2000, to: writer)
                        try await writer.finish(droppedBytes: 0)
                        try await fixture.end(lease)
                        for (records, start) in [(try await early, 0), (try await late, 100), (try await slow, 0)] {
                            #expect(records.isWhole(from: Int64(start)))
                            #expect(
                                records.text
                                    == String(decoding: Self.expected(0..<2000).dropFirst(start), as: UTF8.self))
                        }
                        // One that was followed before it is written here.
                        let (queued, queuedLease) = try await fixture.execution()
                        async let followed = fixture.follow(queued)
                        let begun = try await fixture.hub.write(queuedLease, of: queued)
                        try await Self.write(0..<300, to: begun)
                        try await begun.finish(droppedBytes: 0)
                        #expect(try await followed.bytes() == Self.expected(0..<300))
                    }
                }
            }
        }
    }

    @Test(
        "who follows what never was, or has ended, is told the end", .timeLimit(.minutes(5)),
        arguments: Backend.allCases)
    func nothing(backend: Backend) async throws {
        try await LogFixture.with(backend) { fixture in
            #expect(try await fixture.follow(ExecutionID()).isEmpty)
            let (id, lease) = try await fixture.execution()
            try await fixture.end(lease)
            #expect(try await fixture.follow(id).isEmpty)
        }
    }

    @Test("an agent that writes byte by byte fills the store with little more than that", arguments: Backend.allCases)
    func bytes(backend: Backend) async throws {
        try await LogFixture.with(backend) { fixture in
            let (id, lease) = try await fixture.execution()
            let writer = try await fixture.hub.write(lease, of: id)
            for _ in 0..<20_000 { try await writer.write([65], to: .stdout) }
            try await writer.finish(droppedBytes: 0)
            #expect(try await fixture.stored(id).bytes() == Array(repeating: 65, count: 20_000))
            #expect(try await fixture.stored(id).isWhole())
            let row = try await fixture.database.query(
                "SELECT SUM(LENGTH(records)) AS size FROM log_batches WHERE execution_id = \(id.description)"
            ).first
            #expect(try #require(try row?["size"] as Int64?) < 5 * 20_000)
        }
    }

    @Test("a stored batch that is none is an error")
    func malformed() throws {
        #expect(throws: LogBatch.Malformed.self) { try LogBatch.decode([0, 1, 2], offset: 0, sequence: 1) }
        #expect(throws: LogBatch.Malformed.self) {
            try LogBatch.decode([9] + Array(repeating: 0, count: 16), offset: 0, sequence: 1)
        }
        let short: [UInt8] = [0] + Array(repeating: 0, count: 8) + [5, 0, 0, 0, 0, 0, 0, 0] + [1, 2]
        #expect(throws: LogBatch.Malformed.self) { try LogBatch.decode(short, offset: 0, sequence: 1) }
    }
}
