import CCurl
import NIOConcurrencyHelpers

/// Requests over HTTP and HTTPS, with libcurl: each on a connection and a thread of its own, which is gone when the call
/// returns. For the few requests of a command, of webhooks and of key sets, and not for many at once.
public enum WebClient {
    /// Sends a request and reads its whole answer.
    /// - Parameter bodyLimit: bytes of an answer; a longer one is an error.
    /// - Throws: ``WebError``, `CancellationError`.
    public static func fetch(_ request: WebRequest, bodyLimit: Int) async throws -> WebResponse {
        let body = NIOLockedValueBox<[UInt8]>([])
        let head = try await stream(request) { _ in
        } onBody: { bytes in
            try body.withLockedValue { body in
                guard body.count + bytes.count <= bodyLimit else {
                    throw WebError(.tooLarge, "the answer is longer than \(bodyLimit) bytes")
                }
                body += bytes
            }
        }
        return WebResponse(head: head, body: body.withLockedValue { $0 })
    }

    /// Sends a request and hands on its answer as it comes. The closures are called on a thread of their own, and may
    /// block: then the other side waits.
    /// - Returns: the answer's head, at its end.
    /// - Throws: ``WebError``, `CancellationError`, and what the closures throw.
    public static func stream(
        _ request: WebRequest, onHead: @escaping @Sendable (WebHead) throws -> Void,
        onBody: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void
    ) async throws -> WebHead {
        try Task.checkCancellation()
        let exchange = Exchange(request, onHead: onHead, onBody: onBody)
        let outcome: Result<WebHead, any Error> = await withTaskCancellationHandler {
            let thread = NIOLockedValueBox<WorkerThread?>(nil)
            let outcome = await withCheckedContinuation { continuation in
                let worker = WorkerThread { continuation.resume(returning: exchange.run()) }
                thread.withLockedValue { $0 = worker }
            }
            // OpenSSL keeps something for each thread, and frees it when the thread ends.
            thread.withLockedValue { $0 }?.join()
            return outcome
        } onCancel: {
            exchange.cancel()
        }
        return try outcome.get()
    }
}
