/// Runs the body in a task of its own, which is cancelled with the caller's.
///
/// A task keeps the memory of its deepest call for as long as it lives. One that lives long, and seldom does anything,
/// leaves what is deep to others.
public func apart<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
    let task = Task { try await body() }
    return try await withTaskCancellationHandler {
        try await task.value
    } onCancel: {
        task.cancel()
    }
}
