import DatabaseFixtures
import Foundation
import Testing

@testable import Entitlements
@testable import Storage

@Suite("Query plans")
struct PlanTests {
    @Test("a decision reads no table that grows from end to end", .timeLimit(.minutes(5)), arguments: Backend.allCases)
    func plans(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            try await world.change(agent: {
                $0.maxConcurrent = 5
                $0.executionsPerHour = 10
            })
            try await world.database.execute(
                """
                WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 20000)
                INSERT INTO reservations (execution_id, user_id, agent_id, agent_version, admitted_at, day, is_advance,
                    price_cents, cpu_second_rate, gib_second_rate, egress_gib_rate, estimate_cents, settled_at,
                    is_engine_failure, charged_cents)
                SELECT 'exe_' || CAST(i AS TEXT), 'usr_' || CAST(i % 100 AS TEXT), \(world.agent.id), 1, i, 0, \(false),
                    0, 0, 0, 0, 0, i, \(false), 0 FROM numbers
                """)
            try await world.database.execute(
                """
                WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 20000)
                INSERT INTO executions (id, user_id, agent_id, state, priority, turn, request, ending, created_at,
                    finished_at, deadline, fence)
                SELECT 'exe_' || CAST(i AS TEXT), 'usr_' || CAST(i % 100 AS TEXT), \(world.agent.id), 'succeeded', 0,
                    i / 100, '{}', '{}', i, i, i, 1 FROM numbers
                """)
            try await world.database.execute("ANALYZE")
            let agent = try #require(try await world.agents.find(world.agent.id, in: world.database))
            let submission = ExecutionQueue.Submission(
                id: "exe_new", userID: "usr_7", agentID: agent.id, request: "{}", patience: .seconds(60))
            let statements = [
                Facts.snapshot(world.request()), Facts.counts(of: agent, since: world.clock.now - 3600),
                ExecutionQueue.insertion(submission),
            ]
            for statement in statements {
                let explain: SQL = backend == .sqlite ? "EXPLAIN QUERY PLAN" : "EXPLAIN"
                let rows = try await world.database.query("\(explain) \(statement)")
                let lines: [String] = try rows.map { try $0[backend == .sqlite ? "detail" : "QUERY PLAN"] }
                let scans = lines.filter { line in
                    let isScan = line.contains("Seq Scan on") || line.hasPrefix("SCAN ")
                    return isScan && ["reservations", "executions", "ledger"].contains { line.contains($0) }
                }
                #expect(scans.isEmpty, "\(lines.joined(separator: "\n"))")
            }
        }
    }
}
