import DatabaseFixtures
import DockerAPI
import Foundation
import Storage
import Testing

@testable import Runner

@Suite("Old logs")
struct RetentionTests {
    private static let day: Int64 = 86_400_000

    /// One execution's log of so many bytes; it has ended.
    private func log(_ bytes: Int, _ fixture: LogFixture) async throws -> ExecutionID {
        let (id, lease) = try await fixture.execution()
        let writer = try await fixture.hub.write(lease, of: id)
        try await writer.write(Array(repeating: 65, count: bytes)[...], to: .stdout)
        try await writer.finish(droppedBytes: 0)
        try await fixture.end(lease, logBytes: bytes)
        return id
    }

    private func retention(
        _ fixture: LogFixture, _ change: (inout LogRetention.Limits) -> Void
    ) -> LogRetention {
        var limits = LogRetention.Limits()
        change(&limits)
        return LogRetention(repository: fixture.hub.repository, limits: limits)
    }

    private func age(_ fixture: LogFixture, days: Int64) async throws {
        try await fixture.database.execute("UPDATE log_slots SET opened_at = opened_at - \(days * Self.day)")
    }

    private func rows(_ fixture: LogFixture) async throws -> Int {
        try #require(try await fixture.database.query("SELECT count(*) AS n FROM log_batches").first?["n"] as Int?)
    }

    @Test("are dropped by age, and read as a gap", arguments: Backend.allCases)
    func byAge(backend: Backend) async throws {
        try await LogFixture.with(backend) { fixture in
            let retention = retention(fixture) { $0.age = .seconds(8 * 86_400) }
            let old = try await log(3000, fixture)
            #expect(try await retention.run() == 0)
            // Its slot is closed, and the next one opened.
            try await age(fixture, days: 2)
            #expect(try await retention.run() == 0)
            let young = try await log(2000, fixture)
            try await age(fixture, days: 7)
            #expect(try await retention.run() == 0)
            #expect(try await fixture.stored(old).bytes().count == 3000)
            try await age(fixture, days: 2)
            #expect(try await retention.run() == 1)
            #expect(try await fixture.stored(old).map(\.content) == [.gap(3000)])
            #expect(try await fixture.stored(old, from: 1000).map(\.content) == [.gap(2000)])
            #expect(try await fixture.follow(old).map(\.content) == [.gap(3000)])
            #expect(try await fixture.stored(young).bytes().count == 2000)
            #expect(try await rows(fixture) == 1)
        }
    }

    @Test(
        "are dropped by size, the oldest first, and slots are used again", .timeLimit(.minutes(5)),
        arguments: Backend.allCases)
    func bySize(backend: Backend) async throws {
        try await LogFixture.with(backend) { fixture in
            let retention = retention(fixture) { $0.bytes = 1_000_000 }
            var ids: [ExecutionID] = []
            for _ in 0..<50 {
                ids.append(try await log(100_000, fixture))
                try await retention.run()
            }
            let sizes = try await ids.asyncMap { try await fixture.stored($0).bytes().count }
            let kept = sizes.drop { $0 == 0 }
            #expect(kept.allSatisfy { $0 == 100_000 }, "\(sizes)")
            #expect((5...12).contains(kept.count), "\(kept.count)")
            #expect(try await fixture.stored(ids[0]).map(\.content) == [.gap(100_000)])
        }
    }

    @Test("stay while somebody writes into their slot", arguments: Backend.allCases)
    func living(backend: Backend) async throws {
        try await LogFixture.with(backend) { fixture in
            let retention = retention(fixture) { $0.age = .seconds(8 * 86_400) }
            let (id, lease) = try await fixture.execution()
            let writer = try await fixture.hub.write(lease, of: id)
            try await writer.write(Array("begun".utf8)[...], to: .stdout)
            try await writer.stored()
            for _ in 0..<3 {
                try await age(fixture, days: 20)
                #expect(try await retention.run() == 0)
            }
            try await writer.write(Array(" ended".utf8)[...], to: .stdout)
            try await writer.finish(droppedBytes: 0)
            #expect(try await fixture.stored(id).bytes() == Array("begun ended".utf8))
            try await fixture.end(lease, logBytes: 11)
            #expect(try await retention.run() > 0)
            // As another node sees it, which has nothing of it in memory.
            let left = try await LogFixture.with(fixture.database) { try await $0.stored(id) }
            #expect(left.map(\.content) == [.gap(11)])
        }
    }
}

extension Sequence where Element: Sendable {
    fileprivate func asyncMap<Result>(_ transform: (Element) async throws -> Result) async rethrows -> [Result] {
        var results: [Result] = []
        for element in self { results.append(try await transform(element)) }
        return results
    }
}
