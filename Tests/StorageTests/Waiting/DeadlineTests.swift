import Testing

@testable import Storage

@Suite("Waits with a deadline")
struct DeadlineTests {
    private struct Late: Error {}

    private func wait(_ shot: OneShot<Int>, _ limit: Duration) async throws -> Int {
        try await shot.value(until: .now + limit) { Late() }
    }

    @Test("end at their own, though one that is later was there before", .timeLimit(.minutes(5)))
    func order() async throws {
        let (far, near, last) = (OneShot<Int>(), OneShot<Int>(), OneShot<Int>())
        async let value = wait(far, .seconds(600))
        let other = Task { try await wait(last, .milliseconds(80)) }
        await #expect(throws: Late.self) { _ = try await wait(near, .milliseconds(20)) }
        await #expect(throws: Late.self) { _ = try await other.value }
        far.give(.success(7))
        #expect(try await value == 7)
    }

    @Test("by the thousand end each, one after the other", .timeLimit(.minutes(5)))
    func many() async throws {
        let late = try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<2_000 {
                group.addTask {
                    do {
                        _ = try await wait(OneShot(), .milliseconds(number % 97))
                        return false
                    } catch is Late {
                        return true
                    }
                }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(late == 2_000)
    }

    @Test("take what is given before, and what is given in time", .timeLimit(.minutes(5)))
    func given() async throws {
        let shot = OneShot<Int>()
        shot.give(.success(1))
        #expect(try await wait(shot, .zero) == 1)
        let next = OneShot<Int>()
        async let value = wait(next, .seconds(600))
        next.give(.success(2))
        #expect(try await value == 2)
    }
}
