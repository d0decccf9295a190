import CCurl
import Glibc
import NIOConcurrencyHelpers

/// One request and its answer. Everything but ``cancel()`` happens on one thread.
///
/// Unchecked: what is not behind the lock is touched by that thread only.
final class Exchange: @unchecked Sendable {
    /// Of an answer's head.
    private static let headLimit = 64 << 10

    /// Unchecked: of the handle, only curl_multi_wakeup(3) is called from another thread, which it is made for; the lock
    /// around this sees to it that the handle is still there then.
    private struct Shared: @unchecked Sendable {
        /// While the exchange is under way.
        var multi: UnsafeMutableRawPointer?
        var isCancelled = false
    }

    private let request: WebRequest
    private let onHead: (WebHead) throws -> Void
    private let onBody: (UnsafeRawBufferPointer) throws -> Void
    private let shared = NIOLockedValueBox(Shared())

    private var head = WebHead()
    private var headBytes = 0
    private var lastByte = ContinuousClock.now
    private var hasBegun = false
    /// What a closure threw, or we have against the answer.
    private var failure: (any Error)?
    private var words = [CChar](repeating: 0, count: Int(CURL_ERROR_SIZE))

    init(
        _ request: WebRequest, onHead: @escaping (WebHead) throws -> Void,
        onBody: @escaping (UnsafeRawBufferPointer) throws -> Void
    ) {
        self.request = request
        self.onHead = onHead
        self.onBody = onBody
    }

    /// From any thread.
    func cancel() {
        shared.withLockedValue { shared in
            shared.isCancelled = true
            if let multi = shared.multi { curl_multi_wakeup(multi) }
        }
    }

    func run() -> Result<WebHead, any Error> {
        Self.prepareLibrary
        guard let multi = curl_multi_init(), let easy = curl_easy_init() else {
            return .failure(WebError(.broken, "libcurl could not be started"))
        }
        shared.withLockedValue { $0.multi = multi }
        defer {
            shared.withLockedValue { $0.multi = nil }
            curl_multi_remove_handle(multi, easy)
            curl_easy_cleanup(easy)
            curl_multi_cleanup(multi)
        }
        let lists = configure(easy)
        defer { for list in lists { curl_slist_free_all(list) } }
        return words.withUnsafeMutableBufferPointer { words in
            _ = paddock_curl_set_pointer(easy, CURLOPT_ERRORBUFFER, UnsafeMutableRawPointer(words.baseAddress))
            curl_multi_add_handle(multi, easy)
            return drive(multi, words)
        }
    }

    private func drive(
        _ multi: UnsafeMutableRawPointer, _ words: UnsafeMutableBufferPointer<CChar>
    ) -> Result<WebHead, any Error> {
        var running: CInt = 1
        while true {
            curl_multi_perform(multi, &running)
            var left: CInt = 0
            if let message = curl_multi_info_read(multi, &left), message.pointee.msg == CURLMSG_DONE {
                return outcome(paddock_curl_message_result(message), words)
            }
            if shared.withLockedValue({ $0.isCancelled }) { return .failure(CancellationError()) }
            if let limit = request.idleLimit, hasBegun, lastByte.duration(to: .now) > limit {
                return .failure(WebError(.timedOut, "nothing came for \(limit)"))
            }
            curl_multi_poll(multi, nil, 0, 1000, nil)
        }
    }

    private func outcome(
        _ code: CURLcode, _ words: UnsafeMutableBufferPointer<CChar>
    ) -> Result<WebHead, any Error> {
        if let failure { return .failure(failure) }
        guard code != CURLE_OK else { return .success(head) }
        let said = words.baseAddress.map { String(cString: $0) } ?? ""
        let message = said.isEmpty ? String(cString: curl_easy_strerror(code)) : said
        return .failure(WebError(Self.kind(of: code), message))
    }

    private static func kind(of code: CURLcode) -> WebError.Code {
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT: .unreachable
        case CURLE_OPERATION_TIMEDOUT: .timedOut
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CACERT_BADFILE,
            CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR:
            .untrusted
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: .badURL
        default: .broken
        }
    }

    // MARK: The handle

    private func configure(_ easy: UnsafeMutableRawPointer) -> [UnsafeMutablePointer<curl_slist>?] {
        let context = Unmanaged.passUnretained(self).toOpaque()
        _ = paddock_curl_set_string(easy, CURLOPT_URL, request.url)
        _ = paddock_curl_set_string(easy, CURLOPT_CUSTOMREQUEST, request.method)
        paddock_curl_allow_http_only(easy)
        _ = paddock_curl_set_long(easy, CURLOPT_NOSIGNAL, 1)
        _ = paddock_curl_set_long(easy, CURLOPT_PATH_AS_IS, 1)
        _ = paddock_curl_set_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        _ = paddock_curl_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, request.connectLimit.milliseconds)
        if let limit = request.totalLimit {
            _ = paddock_curl_set_long(easy, CURLOPT_TIMEOUT_MS, limit.milliseconds)
        }
        if let authorities = request.authorities { _ = paddock_curl_set_string(easy, CURLOPT_CAINFO, authorities) }
        if request.method == "HEAD" { _ = paddock_curl_set_long(easy, CURLOPT_NOBODY, 1) }
        var lists: [UnsafeMutablePointer<curl_slist>?] = []
        if let address = request.address {
            let target = curl_slist_append(nil, address.connectTo)
            _ = paddock_curl_set_list(easy, CURLOPT_CONNECT_TO, target)
            _ = paddock_curl_set_string(easy, CURLOPT_PROXY, "")
            lists.append(target)
        }
        if let body = request.body {
            _ = paddock_curl_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
            // One byte more: an empty body has an address too.
            (body + [0]).withUnsafeBytes { raw in
                _ = paddock_curl_set_pointer(
                    easy, CURLOPT_COPYPOSTFIELDS, UnsafeMutableRawPointer(mutating: raw.baseAddress))
            }
        }
        var headers: UnsafeMutablePointer<curl_slist>?
        // An empty Expect: spares the round trip that curl makes before larger bodies.
        for header in request.headers + [("Expect", "")] {
            headers = curl_slist_append(
                headers, header.value.isEmpty ? "\(header.name):" : "\(header.name): \(header.value)")
        }
        _ = paddock_curl_set_headers(easy, headers)
        lists.append(headers)
        _ = paddock_curl_set_pointer(easy, CURLOPT_HEADERDATA, context)
        _ = paddock_curl_set_data_callback(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            Exchange.from(context)?.receiveHeader(UnsafeRawBufferPointer(start: bytes, count: size * count)) ?? 0
        }
        _ = paddock_curl_set_pointer(easy, CURLOPT_WRITEDATA, context)
        _ = paddock_curl_set_data_callback(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            Exchange.from(context)?.receiveBody(UnsafeRawBufferPointer(start: bytes, count: size * count)) ?? 0
        }
        return lists
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> Exchange? {
        context.map { Unmanaged<Exchange>.fromOpaque($0).takeUnretainedValue() }
    }

    // MARK: What arrives. A count that is not the one given ends the exchange.

    private func receiveHeader(_ bytes: UnsafeRawBufferPointer) -> Int {
        (lastByte, hasBegun) = (.now, true)
        headBytes += bytes.count
        guard headBytes <= Self.headLimit else { return refuse(WebError(.tooLarge, "the answer's head is too long")) }
        let text = String(decoding: bytes, as: UTF8.self).unicodeScalars.prefix { $0 != "\r" && $0 != "\n" }
        let line = String(text)
        if line.isEmpty {
            guard head.status >= 200 else { return bytes.count }
            do { try onHead(head) } catch { return refuse(error) }
        } else if line.hasPrefix("HTTP/") {
            let parts = line.split(separator: " ", maxSplits: 2)
            head = WebHead()
            head.status = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        } else if let colon = line.firstIndex(of: ":") {
            let name = line[..<colon].lowercased()
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            if head.headers[name] == nil { head.headers[name] = String(value) }
        }
        return bytes.count
    }

    private func receiveBody(_ bytes: UnsafeRawBufferPointer) -> Int {
        do {
            // From another thread's view this may take long: it blocks while the reader does.
            if shared.withLockedValue({ $0.isCancelled }) { throw CancellationError() }
            try onBody(bytes)
            lastByte = .now
            return bytes.count
        } catch {
            return refuse(error)
        }
    }

    private func refuse(_ error: any Error) -> Int {
        failure = error
        return 0
    }

    // MARK: The library

    /// OpenSSL's exit handler frees what threads may still use: without it, the process just ends.
    private static let prepareLibrary: Void = {
        typealias Initialise = @convention(c) (UInt64, UnsafeRawPointer?) -> CInt
        let noExitHandler: UInt64 = 0x0008_0000
        if let symbol = dlsym(nil, "OPENSSL_init_crypto") {
            _ = unsafeBitCast(symbol, to: Initialise.self)(noExitHandler, nil)
        }
        curl_global_init(Int(CURL_GLOBAL_SSL))
    }()
}

extension Duration {
    fileprivate var milliseconds: Int {
        let (seconds, attoseconds) = components
        return Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000)
    }
}
