import NIOConcurrencyHelpers

/// One result that one task waits for. The first one given counts.
final class OneShot<Value: Sendable>: Sendable {
    private enum State {
        /// Can transition to: waiting, given.
        case empty
        /// Can transition to: given.
        case waiting(CheckedContinuation<Value, any Error>)
        /// The last state.
        case given(Result<Value, any Error>)
    }

    private let state = NIOLockedValueBox(State.empty)

    /// - Returns: false when another result came before.
    @discardableResult
    func give(_ result: Result<Value, any Error>) -> Bool {
        let (waiter, isFirst): (CheckedContinuation<Value, any Error>?, Bool) = state.withLockedValue { state in
            switch state {
            case .given: return (nil, false)
            case .empty:
                state = .given(result)
                return (nil, true)
            case .waiting(let continuation):
                state = .given(result)
                return (continuation, true)
            }
        }
        waiter?.resume(with: result)
        return isFirst
    }

    /// The result, whenever it comes: also when the task is cancelled.
    func value() async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let result: Result<Value, any Error>? = state.withLockedValue { state in
                if case .given(let result) = state { return result }
                state = .waiting(continuation)
                return nil
            }
            if let result { continuation.resume(with: result) }
        }
    }

    /// The result, unless the deadline passes or, where that counts, the task is cancelled before it: then that is the
    /// result.
    func value(
        until deadline: ContinuousClock.Instant?, isCancellable: Bool = true, late: @escaping @Sendable () -> any Error
    ) async throws -> Value {
        let wait = deadline.map { deadline in
            Deadlines.shared.add(deadline) { self.give(.failure(late())) }
        }
        defer { if let wait { Deadlines.shared.remove(wait) } }
        return try await withTaskCancellationHandler {
            try await value()
        } onCancel: {
            if isCancellable { give(.failure(CancellationError())) }
        }
    }
}
