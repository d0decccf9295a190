import CCurl
import Glibc
import NIOCore

/// One HTTP exchange on its own curl handle. Lives on the transport's thread only.
final class Transfer {
    enum Phase {
        /// Can transition to: streaming, ended.
        case awaitingHead(CheckedContinuation<HTTPResponse, any Error>)
        /// Can transition to: ended.
        case streaming(ByteStream.Producer.Source)
        case ended
    }

    let id: UInt64
    let request: HTTPRequest
    let easy: UnsafeMutableRawPointer
    let started = ContinuousClock.now
    private(set) var lastByte = ContinuousClock.now
    private var phase: Phase
    private var head = HTTPHead()
    private var headerList: UnsafeMutablePointer<curl_slist>?
    private var file: CInt = -1
    /// The reader's buffer is full; the next bytes pause the handle.
    private(set) var readerIsFull = false
    private let signals: ByteStream.Delegate

    init(
        id: UInt64, request: HTTPRequest, socketPath: String,
        continuation: CheckedContinuation<HTTPResponse, any Error>, signals: ByteStream.Delegate
    ) throws {
        guard let easy = curl_easy_init() else {
            throw DockerError(.connectionLost, "out of memory for a request", operation: request.operation)
        }
        self.id = id
        self.request = request
        self.easy = easy
        self.phase = .awaitingHead(continuation)
        self.signals = signals
        do {
            try configure(socketPath: socketPath)
        } catch {
            phase = .ended
            throw error
        }
    }

    deinit {
        curl_easy_cleanup(easy)
        curl_slist_free_all(headerList)
        if file >= 0 { close(file) }
    }

    private func configure(socketPath: String) throws {
        let context = Unmanaged.passUnretained(self).toOpaque()
        easy.configureForEngine(socketPath: socketPath, target: request.target)
        _ = paddock_curl_set_string(easy, CURLOPT_CUSTOMREQUEST, request.method)
        _ = paddock_curl_set_pointer(easy, CURLOPT_PRIVATE, context)
        _ = paddock_curl_set_pointer(easy, CURLOPT_HEADERDATA, context)
        _ = paddock_curl_set_data_callback(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            Transfer.from(context)?.receiveHeader(bytes, size * count) ?? 0
        }
        _ = paddock_curl_set_pointer(easy, CURLOPT_WRITEDATA, context)
        _ = paddock_curl_set_data_callback(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            Transfer.from(context)?.receiveBody(bytes, size * count) ?? 0
        }
        if request.method != "GET" {
            // On a kept connection that the Engine has closed meanwhile, curl would send the request again, without
            // knowing whether the first one was carried out.
            _ = paddock_curl_set_long(easy, CURLOPT_FRESH_CONNECT, 1)
        }
        // An empty Expect: spares the round trip that curl makes before larger bodies.
        var headers = request.headers + [("Expect", "")]
        switch request.body {
        case .none:
            if request.method == "POST" {
                _ = paddock_curl_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, 0)
                _ = paddock_curl_set_string(easy, CURLOPT_COPYPOSTFIELDS, "")
                headers.append(("Content-Type", ""))
            }
        case .json(let bytes):
            _ = paddock_curl_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(bytes.count))
            _ = bytes.withUnsafeBytes { raw in
                paddock_curl_set_pointer(
                    easy, CURLOPT_COPYPOSTFIELDS, UnsafeMutableRawPointer(mutating: raw.baseAddress))
            }
            headers.append(("Content-Type", "application/json"))
        case .file(let path, let contentType):
            try configureUpload(path: path, context: context)
            headers.append(("Content-Type", contentType))
        }
        for header in headers {
            let line = header.value.isEmpty ? "\(header.name):" : "\(header.name): \(header.value)"
            headerList = curl_slist_append(headerList, line)
        }
        _ = paddock_curl_set_headers(easy, headerList)
    }

    private func configureUpload(path: String, context: UnsafeMutableRawPointer) throws {
        // Non-blocking: opening a FIFO would hold up every other exchange.
        file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        var info = stat()
        guard file >= 0, fstat(file, &info) == 0, info.st_mode & S_IFMT == S_IFREG else {
            let reason = file >= 0 ? "not a regular file" : String(cString: strerror(errno))
            throw DockerError(.unreadableFile, "\(path): \(reason)", operation: request.operation)
        }
        _ = paddock_curl_set_long(easy, CURLOPT_POST, 1)
        _ = paddock_curl_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(info.st_size))
        _ = paddock_curl_set_pointer(easy, CURLOPT_READDATA, context)
        _ = paddock_curl_set_data_callback(easy, CURLOPT_READFUNCTION) { buffer, size, count, context in
            guard let transfer = Transfer.from(context) else { return Int(CURL_READFUNC_ABORT) }
            transfer.lastByte = .now
            let length = read(transfer.file, buffer, size * count)
            return length < 0 ? Int(CURL_READFUNC_ABORT) : length
        }
    }

    static func from(_ context: UnsafeMutableRawPointer?) -> Transfer? {
        context.map { Unmanaged<Transfer>.fromOpaque($0).takeUnretainedValue() }
    }

    // MARK: What arrives

    private func receiveHeader(_ bytes: UnsafeMutablePointer<CChar>?, _ count: Int) -> Int {
        let buffer = UnsafeRawBufferPointer(start: bytes, count: count)
        let line = String(decoding: buffer, as: UTF8.self)
        lastByte = .now
        // "\r\n" is one Character in Swift: trim by scalar.
        let text = line.unicodeScalars.prefix { $0 != "\r" && $0 != "\n" }
        if text.isEmpty {
            if head.status >= 200 { beginStreaming() }
        } else {
            head.append(line: Substring(text))
        }
        return count
    }

    private func beginStreaming() {
        guard case .awaitingHead(let continuation) = phase else { return }
        let (stream, source) = ByteStream.make(onRoom: signals.onRoom, onEnd: signals.onEnd)
        phase = .streaming(source)
        continuation.resume(returning: HTTPResponse(head: head, body: stream))
    }

    private func receiveBody(_ bytes: UnsafeMutablePointer<CChar>?, _ count: Int) -> Int {
        guard case .streaming(let source) = phase else { return count }
        // Paused, curl keeps these bytes and calls again with the same ones.
        if readerIsFull { return Int(CURL_WRITEFUNC_PAUSE) }
        lastByte = .now
        let chunk = [UInt8](UnsafeRawBufferPointer(start: bytes, count: count))
        switch source.yield(contentsOf: CollectionOfOne(chunk)) {
        case .produceMore: return count
        case .stopProducing:
            readerIsFull = true
            return count
        case .dropped: return Int(CURL_WRITEFUNC_ERROR)
        }
    }

    /// The reader has room again.
    func resume() {
        guard readerIsFull else { return }
        readerIsFull = false
        lastByte = .now
        curl_easy_pause(easy, CURLPAUSE_CONT)
    }

    /// When the exchange is too late, and why; nil when it may go on for ever.
    var expiry: (at: ContinuousClock.Instant, message: String)? {
        var earliest: (at: ContinuousClock.Instant, message: String)?
        func consider(_ at: ContinuousClock.Instant, _ message: String) {
            if earliest.map({ at < $0.at }) ?? true { earliest = (at, message) }
        }
        if let total = request.totalDeadline {
            consider(started + total, "the Engine did not finish its answer within \(total)")
        }
        if case .awaitingHead = phase {
            // An upload is not late while it moves.
            let from = file >= 0 ? lastByte : started
            consider(from + request.headDeadline, "the Engine did not answer within \(request.headDeadline)")
        } else if let idle = head.status >= 300 ? request.headDeadline : request.idleLimit, !readerIsFull {
            consider(lastByte + idle, "the Engine was silent for \(idle)")
        }
        return earliest
    }

    /// Ends the exchange towards the caller: nil for a whole answer.
    func finish(_ error: (any Error)?) {
        switch phase {
        case .awaitingHead(let continuation):
            let missing = DockerError(.connectionLost, "the Engine closed the connection", operation: request.operation)
            continuation.resume(throwing: error ?? missing)
        case .streaming(let source):
            if let error { source.finish(error) } else { source.finish() }
        case .ended: break
        }
        phase = .ended
    }
}

extension UnsafeMutableRawPointer {
    /// What every handle that talks to the Engine needs.
    func configureForEngine(socketPath: String, target: String) {
        _ = paddock_curl_set_string(self, CURLOPT_UNIX_SOCKET_PATH, socketPath)
        _ = paddock_curl_set_string(self, CURLOPT_URL, "http://docker\(target)")
        // Neither a proxy from the environment nor a signal handler of curl's.
        _ = paddock_curl_set_string(self, CURLOPT_PROXY, "")
        _ = paddock_curl_set_long(self, CURLOPT_NOSIGNAL, 1)
        // An id of ".." stays one.
        _ = paddock_curl_set_long(self, CURLOPT_PATH_AS_IS, 1)
        _ = paddock_curl_set_long(self, CURLOPT_BUFFERSIZE, 65536)
    }
}
