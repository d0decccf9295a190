import CCurl
import Glibc
import NIOCore

/// A connection that the Engine has turned from HTTP into a two-way byte stream (attach with stdin).
///
/// Lives on the transport's thread only. curl makes the connection (`CURLOPT_CONNECT_ONLY`); requests, head and
/// bytes pass by plain calls on its socket, which is in the same poll. Nothing of the caller's is sent before the
/// response head, since the Engine drops what arrives earlier.
final class HijackedConnection {
    enum Phase {
        /// Can transition to: awaitingHead, ended.
        case connecting(CheckedContinuation<HTTPResponse, any Error>)
        /// The request is being sent, then the head read. Can transition to: open, ended.
        case awaitingHead(CheckedContinuation<HTTPResponse, any Error>)
        /// Can transition to: ended.
        case open(ByteStream.Producer.Source)
        case ended
    }

    private struct Send {
        let endsAt: Int
        let continuation: CheckedContinuation<Void, any Error>
    }

    static let headLimit = 64 * 1024
    static let chunkSize = 64 * 1024

    let id: UInt64
    let request: HTTPRequest
    let easy: UnsafeMutableRawPointer
    let started = ContinuousClock.now
    private(set) var socket: CInt = -1
    private var phase: Phase
    private var received: [UInt8] = []
    private var refusalBytesLeft: Int?
    private var outgoing: [UInt8] = []
    private var sentOfOutgoing = 0
    private var sentBefore = 0
    private var sends: [Send] = []
    private var closesAfterSending = false
    private var inputIsClosed = false
    private(set) var readerIsFull = false
    private let signals: ByteStream.Delegate

    init(
        id: UInt64, request: HTTPRequest, socketPath: String,
        continuation: CheckedContinuation<HTTPResponse, any Error>, signals: ByteStream.Delegate
    ) throws {
        guard let easy = curl_easy_init() else {
            throw DockerError(.connectionLost, "out of memory for a connection", operation: request.operation)
        }
        self.id = id
        self.request = request
        self.easy = easy
        self.phase = .connecting(continuation)
        self.signals = signals
        easy.configureForEngine(socketPath: socketPath, target: "/")
        _ = paddock_curl_set_long(easy, CURLOPT_CONNECT_ONLY, 1)
        _ = paddock_curl_set_long(easy, CURLOPT_FRESH_CONNECT, 1)
    }

    deinit { curl_easy_cleanup(easy) }

    /// curl has connected: send the request.
    func connected() {
        guard case .connecting(let continuation) = phase else { return }
        var descriptor: curl_socket_t = -1
        guard paddock_curl_get_socket(easy, &descriptor) == CURLE_OK, descriptor >= 0 else {
            return finish(lost("curl gave no socket"))
        }
        socket = descriptor
        phase = .awaitingHead(continuation)
        let head = """
            \(request.method) \(request.target) HTTP/1.1\r
            Host: docker\r
            Connection: Upgrade\r
            Upgrade: tcp\r
            Content-Length: 0\r
            \r\n
            """
        outgoing = Array(head.utf8)
        write()
    }

    // MARK: Poll

    /// What the connection waits for; nil when there is nothing to poll.
    var pollEvents: CShort? {
        guard socket >= 0 else { return nil }
        var events: CInt = 0
        switch phase {
        case .connecting, .ended: return nil
        case .awaitingHead: events |= CURL_WAIT_POLLIN
        case .open: if !readerIsFull { events |= CURL_WAIT_POLLIN }
        }
        if sentOfOutgoing < outgoing.count { events |= CURL_WAIT_POLLOUT }
        return events == 0 ? nil : CShort(events)
    }

    func ready(_ events: CShort) {
        if CInt(events) & CURL_WAIT_POLLOUT != 0 { write() }
        if CInt(events) & ~CURL_WAIT_POLLOUT != 0 { read() }
    }

    private func read() {
        var chunk = [UInt8](unsafeUninitializedCapacity: Self.chunkSize) { buffer, count in
            count = max(0, recv(socket, buffer.baseAddress, Self.chunkSize, CInt(MSG_DONTWAIT)))
        }
        if chunk.isEmpty {
            // An empty read is the end, unless the call failed for the moment.
            var byte: UInt8 = 0
            let peeked = recv(socket, &byte, 1, CInt(MSG_DONTWAIT | MSG_PEEK))
            if peeked < 0, errno == EAGAIN || errno == EINTR { return }
            if peeked > 0 { return }
            return peeked == 0 ? endOfStream() : finish(lost(String(cString: strerror(errno))))
        }
        if case .awaitingHead = phase {
            received += chunk
            guard let rest = parseHead() else { return }
            chunk = rest
        }
        deliver(chunk)
        if let left = refusalBytesLeft {
            refusalBytesLeft = left - chunk.count
            if left <= chunk.count { finish(nil) }
        }
    }

    private func deliver(_ chunk: [UInt8]) {
        guard case .open(let source) = phase, !chunk.isEmpty else { return }
        switch source.yield(contentsOf: CollectionOfOne(chunk)) {
        case .produceMore: break
        case .stopProducing: readerIsFull = true
        case .dropped: finish(lost("the reader has gone"))
        }
    }

    /// Reads the head once it is whole, and returns what follows it.
    private func parseHead() -> [UInt8]? {
        guard case .awaitingHead(let continuation) = phase else { return nil }
        guard let end = received.endOfHead else {
            if received.count > Self.headLimit {
                finish(DockerError(.malformedResponse, "the answer's head has no end", operation: request.operation))
            }
            return nil
        }
        var head = HTTPHead()
        for line in String(decoding: received[..<end], as: UTF8.self).unicodeScalars.split(
            separator: "\r\n".unicodeScalars)
        {
            head.append(line: Substring(line))
        }
        guard head.status >= 100 else {
            finish(DockerError(.malformedResponse, "the answer is not HTTP", operation: request.operation))
            return nil
        }
        let rest = Array(received[end...])
        received = []
        let (stream, source) = ByteStream.make(onRoom: signals.onRoom, onEnd: signals.onEnd)
        phase = .open(source)
        // After a refusal the Engine keeps the connection: its body ends by its length.
        if head.status >= 300 { refusalBytesLeft = head["content-length"].flatMap(Int.init) ?? 0 }
        continuation.resume(returning: HTTPResponse(head: head, body: stream))
        return rest
    }

    private func endOfStream() {
        if case .open = phase { finish(nil) } else { finish(lost("the Engine closed the connection")) }
    }

    // MARK: What the caller sends

    func send(_ bytes: [UInt8], _ continuation: CheckedContinuation<Void, any Error>) {
        guard case .open = phase, !closesAfterSending else {
            return continuation.resume(throwing: lost("the connection is closed for sending"))
        }
        if sentOfOutgoing == outgoing.count {
            sentBefore += sentOfOutgoing
            sentOfOutgoing = 0
            outgoing = bytes
        } else {
            outgoing += bytes
        }
        sends.append(Send(endsAt: sentBefore + outgoing.count, continuation: continuation))
        write()
    }

    /// Half-closes after everything that was sent before.
    func closeInput() {
        closesAfterSending = true
        if case .open = phase { write() }
    }

    private func write() {
        while sentOfOutgoing < outgoing.count {
            let count = outgoing.withUnsafeBytes { raw in
                Glibc.send(
                    socket, raw.baseAddress?.advanced(by: sentOfOutgoing), raw.count - sentOfOutgoing,
                    CInt(MSG_DONTWAIT | MSG_NOSIGNAL))
            }
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN { break }
                return failSends(lost(String(cString: strerror(errno))))
            }
            sentOfOutgoing += count
        }
        let sent = sentBefore + sentOfOutgoing
        while let first = sends.first, first.endsAt <= sent {
            first.continuation.resume()
            sends.removeFirst()
        }
        if sentOfOutgoing == outgoing.count {
            sentBefore = sent
            outgoing = []
            sentOfOutgoing = 0
            if closesAfterSending, !inputIsClosed {
                inputIsClosed = true
                shutdown(socket, Int32(SHUT_WR))
            }
        }
    }

    /// Sending has failed; what the Engine sent before may still be read to its end.
    private func failSends(_ error: any Error) {
        outgoing = []
        sentOfOutgoing = 0
        closesAfterSending = true
        inputIsClosed = true
        for send in sends { send.continuation.resume(throwing: error) }
        sends = []
    }

    // MARK: Ending

    /// The reader has room again.
    func resume() { readerIsFull = false }

    var expiry: (at: ContinuousClock.Instant, message: String)? {
        switch phase {
        case .connecting, .awaitingHead:
            (started + request.headDeadline, "the Engine did not answer within \(request.headDeadline)")
        case .open where refusalBytesLeft != nil:
            (started + request.headDeadline, "the Engine did not finish its answer within \(request.headDeadline)")
        case .open, .ended: nil
        }
    }

    var hasEnded: Bool {
        if case .ended = phase { true } else { false }
    }

    func finish(_ error: (any Error)?) {
        failSends(error ?? lost("the connection is closed"))
        switch phase {
        case .connecting(let continuation), .awaitingHead(let continuation):
            continuation.resume(throwing: error ?? lost("the Engine closed the connection"))
        case .open(let source):
            if let error { source.finish(error) } else { source.finish() }
        case .ended: break
        }
        phase = .ended
    }

    private func lost(_ message: String) -> DockerError {
        DockerError(.connectionLost, message, operation: request.operation)
    }
}

extension [UInt8] {
    /// The index behind the empty line that ends an HTTP head.
    fileprivate var endOfHead: Int? {
        let mark = Array("\r\n\r\n".utf8)
        guard count >= mark.count else { return nil }
        return (0...(count - mark.count)).first { self[$0..<($0 + mark.count)].elementsEqual(mark) }
            .map { $0 + mark.count }
    }
}
