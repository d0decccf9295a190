import NIOConcurrencyHelpers
import Testing

@testable import Storage

@Suite("Permits")
struct PermitsTests {
    @Test("are given in turn, and to the urgent first", .timeLimit(.minutes(2)))
    func urgent() async throws {
        let permits = Permits(1)
        let limit = ContinuousClock.now + .seconds(600)
        try await permits.take(until: limit)
        let order = NIOLockedValueBox<[Int]>([])
        // Each waits when it is there.
        let waiters = (0..<4).map { number in
            Task.immediate {
                try await permits.take(isUrgent: number == 2, until: limit)
                order.withLockedValue { $0.append(number) }
                permits.giveBack()
            }
        }
        permits.giveBack()
        for waiter in waiters { try await waiter.value }
        #expect(order.withLockedValue { $0 } == [2, 0, 1, 3])
    }
}
