import DatabaseFixtures
import Foundation
import Storage
import Testing

@testable import Runner

@Suite("An ending that cannot be stored", .serialized, .timeLimit(.minutes(5)))
struct UnstorableEndingTests {
    @Test("ends as lost once its time is over, and its place is free for the next one")
    func settlement() async throws {
        try await NodeFixture.with(.sqlite) { fixture in
            try await fixture.withNode({ $0.slots = 1 }) { _ in
                // Nothing can be settled.
                try await fixture.database.execute("ALTER TABLE reservations RENAME COLUMN settled_at TO settled")
                let id = try await fixture.submit(fixture.ticket("true"))
                try await eventually {
                    try await fixture.database.execute(
                        "UPDATE executions SET deadline = 0 WHERE id = \(id.description) AND state = 'running'") == 1
                }
                #expect(try await fixture.ended(id)["status"] as? String == "lost")
                try await fixture.database.execute("ALTER TABLE reservations RENAME COLUMN settled TO settled_at")
                let next = try await fixture.submit(fixture.ticket("true"))
                #expect(try await fixture.ended(next)["status"] as? String == "succeeded")
                try await fixture.expectEachEndedOnce()
            }
        }
    }
}
