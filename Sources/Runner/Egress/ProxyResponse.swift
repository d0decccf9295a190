import NIOHTTP1

/// A host's answer as the client gets it.
struct ProxyResponse {
    let head: HTTPResponseHead
    let keepsConnection: Bool

    /// - Parameters:
    ///   - method: of the request.
    ///   - version: the client's.
    ///   - keepsConnection: whether the request lets another follow.
    init(_ answer: HTTPResponseHead, to method: HTTPMethod, version: HTTPVersion, keepsConnection: Bool) {
        let hasBody = method != .HEAD && answer.status != .noContent && answer.status != .notModified
        var headers = answer.headers.withoutHopByHop
        var keepsConnection = keepsConnection
        // Chunks say where a body ends; a length beside them would be a second opinion.
        if answer.headers.contains(name: "transfer-encoding") { headers.remove(name: "content-length") }
        if hasBody, !headers.contains(name: "content-length") {
            if version == .http1_1 {
                headers.add(name: "transfer-encoding", value: "chunked")
            } else {
                keepsConnection = false
            }
        }
        if !keepsConnection { headers.add(name: "connection", value: "close") }
        head = HTTPResponseHead(version: version, status: answer.status, headers: headers)
        self.keepsConnection = keepsConnection
    }

    /// An answer of the proxy's own: a sentence as plain text.
    init(_ reason: EgressRecord.Reason, keepsConnection: Bool) {
        let status: HTTPResponseStatus =
            switch reason.code {
            case .notListed, .reservedAddress, .byteLimit: .forbidden
            case .malformed: .badRequest
            case .connectionLimit: .serviceUnavailable
            case .unresolved, .unreachable, .badAnswer: .badGateway
            case .timeout, .abandoned: .gatewayTimeout
            }
        var headers: HTTPHeaders = [
            "content-type": "text/plain; charset=utf-8", "content-length": "\(Self.body(reason).utf8.count)",
        ]
        if !keepsConnection { headers.add(name: "connection", value: "close") }
        head = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
        self.keepsConnection = keepsConnection
    }

    static func body(_ reason: EgressRecord.Reason) -> String { "paddock: egress: \(reason.message)\n" }
}
