/// One request to the Engine.
struct HTTPRequest: Sendable {
    enum Body: Sendable {
        case none
        case json([UInt8])
        /// A file that is sent as it is, read while it is sent.
        case file(path: String, contentType: String)
    }

    var method: String
    /// Path and query, with the API version.
    var target: String
    /// What the caller asked for, for messages: method and path without version and query.
    var operation: String
    var headers: [(name: String, value: String)] = []
    var body: Body = .none
    /// Longest wait for the response's head.
    var headDeadline: Duration
    /// Longest silence of the body while the reader has room; nil for a stream that may be silent for ever.
    var idleLimit: Duration?
    /// Longest time for the whole exchange; nil for a stream.
    var totalDeadline: Duration?
}

/// The head of a response; its body follows as a stream.
struct HTTPResponse: Sendable {
    let head: HTTPHead
    let body: ByteStream
}

/// Status line and header fields of a response.
struct HTTPHead: Sendable {
    private(set) var status = 0
    private var fields: [String: String] = [:]

    /// The first value of a field; names are compared without case.
    subscript(name: String) -> String? { fields[name.lowercased()] }

    /// Takes one line, without its line end. A status line starts anew, since an interim response may precede.
    mutating func append(line: Substring) {
        if line.hasPrefix("HTTP/") {
            let parts = line.split(separator: " ", maxSplits: 2)
            status = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
            fields = [:]
        } else if let colon = line.firstIndex(of: ":") {
            let name = line[..<colon].lowercased()
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            if fields[name] == nil { fields[name] = String(value) }
        }
    }
}
