import CCurl
import Glibc
import NIOConcurrencyHelpers

/// HTTP over the Engine's unix socket: libcurl's multi interface on one thread, async calls on top.
///
/// Callers append commands and wake the thread; everything that touches a curl handle happens there.
final class CurlTransport: Sendable {
    enum Command: Sendable {
        case exchange(UInt64, HTTPRequest, CheckedContinuation<HTTPResponse, any Error>)
        case hijack(UInt64, HTTPRequest, CheckedContinuation<HTTPResponse, any Error>)
        case send(UInt64, [UInt8], CheckedContinuation<Void, any Error>)
        case closeInput(UInt64)
        /// The reader has room again.
        case resume(UInt64)
        /// Nobody waits for it any more.
        case cancel(UInt64)
    }

    /// Commands on their way to the thread.
    final class Mailbox: Sendable {
        private struct State {
            var commands: [Command] = []
            var isClosed = false
            var lastID: UInt64 = 0
            var hijacked: Set<UInt64> = []
        }

        private let state = NIOLockedValueBox(State())
        private let multi: MultiHandle

        init(multi: MultiHandle) { self.multi = multi }

        func nextID() -> UInt64 {
            state.withLockedValue {
                $0.lastID += 1
                return $0.lastID
            }
        }

        /// Hands a command to the thread; false when the transport is shut down.
        @discardableResult
        func post(_ command: Command) -> Bool {
            state.withLockedValue { state in
                guard !state.isClosed else { return false }
                state.commands.append(command)
                // Under the lock: after the close the thread may free the handle at any moment.
                if state.commands.count == 1 { multi.wakeUp() }
                return true
            }
        }

        /// What has been posted; `isClosed` once no more can come.
        func take() -> (commands: [Command], isClosed: Bool) {
            state.withLockedValue { state in
                defer { state.commands = [] }
                return (state.commands, state.isClosed)
            }
        }

        /// Of the thread: a connection stands, or stands no longer.
        func setOpen(_ id: UInt64, _ isOpen: Bool) {
            state.withLockedValue { state in
                if isOpen { state.hijacked.insert(id) } else { state.hijacked.remove(id) }
            }
        }

        func isOpen(_ id: UInt64) -> Bool { state.withLockedValue { $0.hijacked.contains(id) } }

        func close() {
            state.withLockedValue { state in
                guard !state.isClosed else { return }
                state.isClosed = true
                multi.wakeUp()
            }
        }
    }

    /// A curl multi handle.
    ///
    /// Unchecked: `curl_multi_wakeup` is the one call that curl allows from other threads, and the only one made there.
    struct MultiHandle: @unchecked Sendable {
        let pointer: UnsafeMutableRawPointer

        func wakeUp() { curl_multi_wakeup(pointer) }
    }

    private let mailbox: Mailbox
    private let thread: Thread

    /// - Parameter socketPath: at most 107 bytes, as `sockaddr_un` holds.
    init(socketPath: String) throws {
        // Without CURL_GLOBAL_SSL: nothing here speaks TLS, and OpenSSL's exit handler can crash.
        curl_global_init(0)
        guard let pointer = curl_multi_init() else {
            throw DockerError(.connectionLost, "libcurl could not be started", operation: "connect")
        }
        let multi = MultiHandle(pointer: pointer)
        let mailbox = Mailbox(multi: multi)
        self.mailbox = mailbox
        self.thread = Thread {
            CurlWorker(multi: multi, mailbox: mailbox, socketPath: socketPath).run()
        }
    }

    deinit { shutdown() }

    /// Ends every exchange with ``DockerError/Code/closed`` and waits for the thread. May be called twice.
    func shutdown() {
        mailbox.close()
        thread.join()
    }

    /// Sends a request and returns when the response's head has arrived.
    func exchange(_ request: HTTPRequest) async throws -> HTTPResponse {
        try await start(request) { .exchange($0, request, $1) }.response
    }

    /// Sends a request that turns the connection into a two-way stream.
    func hijack(_ request: HTTPRequest) async throws -> (response: HTTPResponse, connection: Connection) {
        let (id, response) = try await start(request) { .hijack($0, request, $1) }
        return (response, Connection(id: id, operation: request.operation, mailbox: mailbox))
    }

    private func start(
        _ request: HTTPRequest,
        _ command: (UInt64, CheckedContinuation<HTTPResponse, any Error>) -> Command
    ) async throws -> (id: UInt64, response: HTTPResponse) {
        let id = mailbox.nextID()
        let begin = ContinuousClock.now
        do {
            let response = try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { continuation in
                    if !mailbox.post(command(id, continuation)) {
                        continuation.resume(throwing: Self.closed(request.operation))
                    }
                    // Cancelled before: the handler below has run already, and its command met nothing to cancel.
                    if Task.isCancelled { mailbox.post(.cancel(id)) }
                }
            } onCancel: {
                mailbox.post(.cancel(id))
            }
            EngineMetrics.answered(request.operation, in: begin.duration(to: .now))
            return (id, response)
        } catch {
            EngineMetrics.failed(request.operation, (error as? DockerError)?.code.description ?? "cancelled")
            throw error
        }
    }

    static func closed(_ operation: String) -> DockerError {
        DockerError(.closed, "the Docker client has been shut down", operation: operation)
    }

    /// The sending half of a hijacked connection.
    struct Connection: Sendable {
        let id: UInt64
        let operation: String
        let mailbox: Mailbox

        /// Returns when the bytes are with the kernel. Cancelling it closes the connection: what was sent by then
        /// cannot be taken back.
        func send(_ bytes: [UInt8]) async throws {
            do {
                try await withTaskCancellationHandler {
                    try await withCheckedThrowingContinuation { continuation in
                        if !mailbox.post(.send(id, bytes, continuation)) {
                            continuation.resume(throwing: CurlTransport.closed(operation))
                        }
                        if Task.isCancelled { cancel() }
                    }
                } onCancel: {
                    cancel()
                }
            } catch {
                try Task.checkCancellation()
                throw error
            }
        }

        func closeInput() { mailbox.post(.closeInput(id)) }

        var isOpen: Bool { mailbox.isOpen(id) }

        func cancel() { mailbox.post(.cancel(id)) }
    }

    /// A thread that can be joined, once or more.
    final class Thread: Sendable {
        private final class Body: Sendable {
            let run: @Sendable () -> Void
            init(_ run: @escaping @Sendable () -> Void) { self.run = run }
        }

        private let handle: NIOLockedValueBox<pthread_t?>

        init(_ body: @escaping @Sendable () -> Void) {
            var id = pthread_t()
            let context = Unmanaged.passRetained(Body(body)).toOpaque()
            let failed = pthread_create(
                &id, nil,
                { context in
                    if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
                    return nil
                }, context)
            precondition(failed == 0, "no thread for libcurl")
            handle = NIOLockedValueBox(id)
        }

        func join() {
            let id = handle.withLockedValue { handle in
                defer { handle = nil }
                return handle
            }
            guard let id else { return }
            // The last owner may let go on the thread itself, which cannot wait for its own end.
            if pthread_equal(id, pthread_self()) != 0 { pthread_detach(id) } else { pthread_join(id, nil) }
        }
    }
}
