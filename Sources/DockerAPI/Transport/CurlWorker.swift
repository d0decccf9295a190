import CCurl
import Glibc

/// The transport's loop. Made, run and freed on one thread.
struct CurlWorker {
    private let multi: UnsafeMutableRawPointer
    private let mailbox: CurlTransport.Mailbox
    private let socketPath: String
    private let loop = State()

    /// The loop's own state: everything that is under way.
    private final class State {
        var transfers: [UInt64: Transfer] = [:]
        var connections: [UInt64: HijackedConnection] = [:]
        /// Handles whose connect met a full backlog, and when to try again.
        var retries: [(at: ContinuousClock.Instant, id: UInt64)] = []
    }

    /// Between two attempts to connect to a socket whose backlog is full.
    private static let retryInterval: Duration = .milliseconds(5)
    private static let longestPoll: Duration = .seconds(60)

    init(multi: CurlTransport.MultiHandle, mailbox: CurlTransport.Mailbox, socketPath: String) {
        self.multi = multi.pointer
        self.mailbox = mailbox
        self.socketPath = socketPath
        // Idle connections kept for the next call.
        _ = paddock_curl_multi_set_long(multi.pointer, CURLMOPT_MAXCONNECTS, 16)
    }

    func run() {
        while true {
            let (commands, isClosed) = mailbox.take()
            for command in commands { execute(command) }
            if isClosed { break }
            var running: CInt = 0
            curl_multi_perform(multi, &running)
            collectFinished()
            let nextExpiry = expireLate()
            retryConnects()
            poll(until: nextExpiry)
        }
        for id in loop.transfers.keys { end(transfer: id, CurlTransport.closed("shutdown")) }
        for id in loop.connections.keys { end(connection: id, CurlTransport.closed("shutdown")) }
        curl_multi_cleanup(multi)
    }

    // MARK: Commands

    private func execute(_ command: CurlTransport.Command) {
        switch command {
        case .exchange(let id, let request, let continuation):
            do {
                let transfer = try Transfer(
                    id: id, request: request, socketPath: socketPath, continuation: continuation, signals: signals(id))
                loop.transfers[id] = transfer
                curl_multi_add_handle(multi, transfer.easy)
            } catch {
                continuation.resume(throwing: error)
            }
        case .hijack(let id, let request, let continuation):
            do {
                let connection = try HijackedConnection(
                    id: id, request: request, socketPath: socketPath, continuation: continuation, signals: signals(id))
                loop.connections[id] = connection
                mailbox.setOpen(id, true)
                curl_multi_add_handle(multi, connection.easy)
            } catch {
                continuation.resume(throwing: error)
            }
        case .send(let id, let bytes, let continuation):
            guard let connection = loop.connections[id] else {
                let error = DockerError(.connectionLost, "the connection is closed", operation: "attach")
                return continuation.resume(throwing: error)
            }
            connection.send(bytes, continuation)
        case .closeInput(let id): loop.connections[id]?.closeInput()
        case .resume(let id):
            loop.transfers[id]?.resume()
            loop.connections[id]?.resume()
        case .cancel(let id):
            end(transfer: id, CancellationError())
            end(connection: id, CancellationError())
        }
    }

    private func signals(_ id: UInt64) -> ByteStream.Delegate {
        ByteStream.Delegate(
            onRoom: { [mailbox] in mailbox.post(.resume(id)) },
            onEnd: { [mailbox] in mailbox.post(.cancel(id)) }
        )
    }

    // MARK: Endings

    private func end(transfer id: UInt64, _ error: (any Error)?) {
        guard let transfer = loop.transfers.removeValue(forKey: id) else { return }
        curl_multi_remove_handle(multi, transfer.easy)
        transfer.finish(error)
    }

    private func end(connection id: UInt64, _ error: (any Error)?) {
        guard let connection = loop.connections.removeValue(forKey: id) else { return }
        mailbox.setOpen(id, false)
        connection.finish(error)
        curl_multi_remove_handle(multi, connection.easy)
    }

    private func collectFinished() {
        var left: CInt = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle else { continue }
            let result = paddock_curl_message_result(message)
            var context: UnsafeMutableRawPointer?
            _ = paddock_curl_get_private(easy, &context)
            guard let transfer = Transfer.from(context) else {
                // A CONNECT_ONLY handle is done once it has connected.
                guard let connection = loop.connections.values.first(where: { $0.easy == easy }) else { continue }
                if result == CURLE_OK {
                    connection.connected()
                    if connection.hasEnded { end(connection: connection.id, nil) }
                } else if !retriesLater(connection.id, easy, result) {
                    end(connection: connection.id, failure(result, easy, connection.request))
                }
                continue
            }
            if result == CURLE_OK {
                end(transfer: transfer.id, nil)
            } else if !retriesLater(transfer.id, easy, result) {
                end(transfer: transfer.id, failure(result, easy, transfer.request))
            }
        }
    }

    /// A non-blocking connect to a unix socket whose backlog is full fails at once: try again shortly. curl 7.88
    /// tells no error number then, newer ones tell EAGAIN.
    private func retriesLater(_ id: UInt64, _ easy: UnsafeMutableRawPointer, _ result: CURLcode) -> Bool {
        guard result == CURLE_COULDNT_CONNECT, [0, EAGAIN].contains(systemError(of: easy)) else { return false }
        curl_multi_remove_handle(multi, easy)
        loop.retries.append((at: .now + Self.retryInterval, id: id))
        return true
    }

    private func retryConnects() {
        let now = ContinuousClock.now
        let due = loop.retries.filter { $0.at <= now }
        loop.retries.removeAll { $0.at <= now }
        for retry in due {
            if let easy = loop.transfers[retry.id]?.easy ?? loop.connections[retry.id]?.easy {
                curl_multi_add_handle(multi, easy)
            }
        }
    }

    /// Ends what is too late, and returns when the next one would be.
    private func expireLate() -> ContinuousClock.Instant? {
        let now = ContinuousClock.now
        var next: ContinuousClock.Instant?
        for transfer in loop.transfers.values {
            guard let expiry = transfer.expiry else { continue }
            if expiry.at <= now {
                end(transfer: transfer.id, late(expiry.message, transfer.request))
            } else {
                next = min(next ?? expiry.at, expiry.at)
            }
        }
        for connection in loop.connections.values {
            guard let expiry = connection.expiry else { continue }
            if expiry.at <= now {
                end(connection: connection.id, late(expiry.message, connection.request))
            } else {
                next = min(next ?? expiry.at, expiry.at)
            }
        }
        return next
    }

    private func late(_ message: String, _ request: HTTPRequest) -> DockerError {
        DockerError(.timedOut, message, operation: request.operation)
    }

    private func systemError(of easy: UnsafeMutableRawPointer) -> CInt {
        var number: CLong = 0
        _ = paddock_curl_get_long(easy, CURLINFO_OS_ERRNO, &number)
        return CInt(number)
    }

    /// Says what failed on the way, and what to do about it.
    private func failure(_ result: CURLcode, _ easy: UnsafeMutableRawPointer, _ request: HTTPRequest) -> DockerError {
        let operation = request.operation
        if result == CURLE_UNSUPPORTED_PROTOCOL || result == CURLE_WEIRD_SERVER_REPLY {
            return DockerError(
                .malformedResponse, "what listens on unix://\(socketPath) does not speak HTTP", operation: operation)
        }
        guard result == CURLE_COULDNT_CONNECT else {
            let reason = String(cString: curl_easy_strerror(result))
            return DockerError(.connectionLost, "the connection to the Engine broke: \(reason)", operation: operation)
        }
        switch systemError(of: easy) {
        case ENOENT:
            return DockerError(
                .socketMissing,
                "no Docker Engine at unix://\(socketPath): there is no such socket. Start the Engine, "
                    + "or set DOCKER_HOST to its socket", operation: operation)
        case EACCES, EPERM:
            return DockerError(
                .permissionDenied,
                "permission denied on unix://\(socketPath): run as root, or as a member of the socket's group "
                    + "(usually: usermod -aG docker USER, then log in again)", operation: operation)
        case ECONNREFUSED:
            return DockerError(
                .notListening, "no Docker Engine listens on unix://\(socketPath): start it", operation: operation)
        case let number:
            return DockerError(
                .connectionLost, "unix://\(socketPath): \(String(cString: strerror(number)))", operation: operation)
        }
    }

    // MARK: Poll

    private func poll(until expiry: ContinuousClock.Instant?) {
        let now = ContinuousClock.now
        var wait = Self.longestPoll
        if let expiry { wait = min(wait, now.duration(to: expiry)) }
        if let retry = loop.retries.map(\.at).min() { wait = min(wait, now.duration(to: retry)) }
        // Rounded up, so that the loop does not spin through the last millisecond.
        let milliseconds = max(0, wait / .milliseconds(1)).rounded(.up)

        var descriptors: [curl_waitfd] = []
        var polled: [HijackedConnection] = []
        for connection in loop.connections.values {
            guard let events = connection.pollEvents else { continue }
            descriptors.append(curl_waitfd(fd: connection.socket, events: events, revents: 0))
            polled.append(connection)
        }
        curl_multi_poll(multi, &descriptors, UInt32(descriptors.count), CInt(milliseconds), nil)
        for (descriptor, connection) in zip(descriptors, polled) where descriptor.revents != 0 {
            connection.ready(descriptor.revents)
            if connection.hasEnded { end(connection: connection.id, nil) }
        }
    }
}
