import NIOHTTP1

/// What a client asks of the proxy, RFC 9112 §3.2, and what of it goes on.
struct ProxyRequest: Sendable {
    let method: HTTPMethod
    let target: EgressTarget
    /// The head for the host; nil for CONNECT.
    let forwarded: HTTPRequestHead?
    /// Whether the client's connection can take another request after this one.
    let keepsConnection: Bool

    /// - Throws: the reason, for a request that no proxy should pass on.
    init(_ head: HTTPRequestHead) throws(EgressRecord.Reason) {
        method = head.method
        guard head.uri.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Self.malformed("the request's target has characters that must be percent-encoded")
        }
        if head.method == .CONNECT {
            do {
                target = try EgressTarget(head.uri, defaultPort: nil)
            } catch {
                throw Self.malformed("CONNECT \(Self.shortened(head.uri)): the target \(error)")
            }
            forwarded = nil
            keepsConnection = false
        } else {
            let (target, path) = try Self.split(head.uri, head.method)
            self.target = target
            forwarded = try Self.rewrite(head, target, path)
            // A request to upgrade makes the decoder stop after it, although the upgrade is not passed on.
            keepsConnection =
                head.isKeepAlive && head.version == .http1_1 && !head.headers.contains(name: "upgrade")
        }
    }

    private static func malformed(_ message: String) -> EgressRecord.Reason { .init(.malformed, message) }

    private static func shortened(_ text: String) -> String { text.utf8.count > 100 ? text.prefix(100) + "…" : text }

    // MARK: The target

    private static func split(
        _ uri: String, _ method: HTTPMethod
    ) throws(EgressRecord.Reason) -> (EgressTarget, path: String) {
        let lower = uri.prefix(8).lowercased()
        guard lower.hasPrefix("http://") else {
            if lower.hasPrefix("https://") {
                throw malformed("https goes through this proxy by CONNECT, and not as \(method) https://…")
            }
            throw malformed("this is a proxy: the request must be CONNECT HOST:PORT, or have a target http://HOST/…")
        }
        let rest = uri.dropFirst("http://".count)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        let authority = rest[..<end]
        let tail = rest[end...]
        guard !authority.contains("@") else {
            throw malformed("the target has a user name in it: send an Authorization header instead")
        }
        guard !tail.contains("#") else { throw malformed("the target has a fragment (#…), which is never sent") }
        let path: String
        if tail.isEmpty {
            // RFC 9112 §3.2.4.
            path = method == .OPTIONS ? "*" : "/"
        } else {
            path = (tail.hasPrefix("/") ? "" : "/") + tail
        }
        do {
            return (try EgressTarget(authority, defaultPort: 80), path)
        } catch {
            throw malformed("\(method) http://\(shortened(String(authority))): the host \(error)")
        }
    }

    // MARK: The head

    private static func rewrite(
        _ head: HTTPRequestHead, _ target: EgressTarget, _ path: String
    ) throws(EgressRecord.Reason) -> HTTPRequestHead {
        for (name, value) in head.headers where !value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) {
            throw malformed("the header \(shortened(name)) has control characters")
        }
        // Taken before headers are dropped: Connection may name these, and a body must never go without them.
        let framing = try framing(head)
        var headers = head.headers.withoutHopByHop
        headers.remove(name: "host")
        headers.remove(name: "content-length")
        let isDefaultPort = target.port == 80
        headers.add(name: "host", value: isDefaultPort ? target.host.description : target.description)
        if let framing { headers.add(name: framing.name, value: framing.value) }
        // A connection for each request: the next one may be for another host.
        headers.add(name: "connection", value: "close")
        return HTTPRequestHead(version: .http1_1, method: head.method, uri: path, headers: headers)
    }

    private static func framing(
        _ head: HTTPRequestHead
    ) throws(EgressRecord.Reason) -> (name: String, value: String)? {
        let lengths = head.headers["content-length"]
        let encodings = head.headers["transfer-encoding"]
        guard lengths.isEmpty || encodings.isEmpty else {
            throw malformed("the request has both Content-Length and Transfer-Encoding")
        }
        if let encoding = encodings.first {
            guard encodings.count == 1, encoding.lowercased() == "chunked", head.version == .http1_1 else {
                throw malformed("the request has a Transfer-Encoding other than chunked in HTTP/1.1")
            }
            return ("transfer-encoding", "chunked")
        }
        guard let length = lengths.first else { return nil }
        guard lengths.count == 1, length.allSatisfy(\.isASCIIDigit) else {
            throw malformed("the request has more than one Content-Length, or one that is no number")
        }
        return ("content-length", length)
    }
}

extension HTTPHeaders {
    /// Without what concerns one connection only, RFC 9110 §7.6.1, and without how the body is framed by chunks.
    var withoutHopByHop: HTTPHeaders {
        var names: Set<String> = [
            "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings",
        ]
        for name in self[canonicalForm: "connection"] { names.insert(name.lowercased()) }
        return HTTPHeaders(
            filter { header in
                let name = header.name.lowercased()
                return !names.contains(name) && !name.hasPrefix("proxy-")
            })
    }
}
