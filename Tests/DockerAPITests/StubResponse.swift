import Foundation
import Glibc

extension StubEngine {
    /// What the stub does about one request, step by step.
    struct Response: Sendable {
        enum Step: Sendable {
            /// One write; the next step begins when the client has taken it.
            case write([UInt8])
            case wait(Gate)
            /// Silence until the client goes away.
            case hang
            case close
            /// The rest is the closure's.
            case run(@Sendable (Connection) throws -> Void)
        }

        enum Ending { case keepAlive, close }

        var steps: [Step]

        func send(on connection: Connection) throws -> Ending {
            for step in steps {
                switch step {
                case .write(let bytes): try connection.write(bytes, untilTaken: steps.count > 1)
                case .wait(let gate): gate.wait(unless: connection.isStopped)
                case .hang:
                    while try !connection.read().isEmpty {}
                    return .close
                case .close: return .close
                case .run(let body):
                    try body(connection)
                    return .close
                }
            }
            return .keepAlive
        }
    }
}

extension StubEngine.Response {
    // MARK: Whole answers

    static func whole(_ status: Int, headers: [String] = [], _ body: [UInt8] = []) -> Self {
        let length = status == 204 || status == 304 ? [] : ["Content-Length: \(body.count)"]
        return Self(steps: [.write(head(status, headers + length) + body)])
    }

    static func json(_ text: String, status: Int = 200) -> Self {
        whole(status, headers: ["Content-Type: application/json"], text.bytes)
    }

    /// An error as the Engine writes it.
    static func message(_ status: Int, _ text: String) -> Self { json("{\"message\":\"\(text)\"}\n", status: status) }

    static let noContent = whole(204)

    // MARK: Streams

    /// A chunked body, each part a chunk and a write of its own.
    /// - Parameter ending: what comes behind the last part; nil for the body's proper end.
    static func chunked(_ parts: [[UInt8]], then ending: [Step]? = nil) -> Self {
        let writes = parts.filter { !$0.isEmpty }.map { Step.write(chunk($0)) }
        return Self(steps: [.write(chunkedHead)] + writes + (ending ?? [.write("0\r\n\r\n".bytes)]))
    }

    /// A chunked body of which each part waits for the next gate.
    static func chunked(_ parts: [[UInt8]], gates: [Gate]) -> Self {
        let writes = zip(parts, gates).flatMap { [Step.wait($1), .write(chunk($0))] }
        return Self(steps: [.write(chunkedHead)] + writes + [.write("0\r\n\r\n".bytes)])
    }

    /// Bytes as they are, each piece a write of its own, then the connection's end.
    static func raw(_ pieces: [[UInt8]]) -> Self { Self(steps: pieces.map { .write($0) } + [.close]) }

    static let silence = Self(steps: [.hang])

    /// Writes forever what `next` makes, until the client goes away.
    static func endless(_ next: @escaping @Sendable (Int) -> [UInt8]) -> Self {
        Self(steps: [
            .write(chunkedHead),
            .run { connection in
                var number = 0
                while true {
                    try connection.write(chunk(next(number)))
                    number += 1
                }
            },
        ])
    }

    /// Turns the connection into a two-way stream.
    static func hijacked(_ body: @escaping @Sendable (StubEngine.Connection) throws -> Void) -> Self {
        Self(steps: [.write(upgradeHead), .run(body)])
    }

    // MARK: Their parts

    static let chunkedHead = head(200, ["Content-Type: application/json", "Transfer-Encoding: chunked"])
    static let upgradeHead = head(
        101, ["Content-Type: application/vnd.docker.raw-stream", "Connection: Upgrade", "Upgrade: tcp"])

    static func head(_ status: Int, _ headers: [String]) -> [UInt8] {
        let reason = [101: "UPGRADED", 200: "OK", 204: "No Content"][status] ?? "Whatever"
        return (["HTTP/1.1 \(status) \(reason)"] + headers + ["", ""]).joined(separator: "\r\n").bytes
    }

    static func chunk(_ bytes: [UInt8]) -> [UInt8] {
        "\(String(bytes.count, radix: 16))\r\n".bytes + bytes + "\r\n".bytes
    }
}

extension StubEngine {
    /// The stub's end of a connection. Lives on the connection's thread.
    final class Connection {
        struct Gone: Error {}

        let descriptor: CInt
        let isStopped: () -> Bool
        private var buffer: [UInt8] = []

        init(descriptor: CInt, isStopped: @escaping () -> Bool) {
            self.descriptor = descriptor
            self.isStopped = isStopped
        }

        /// The next bytes from the client; empty when it has closed its side.
        func read() throws -> [UInt8] {
            if !buffer.isEmpty {
                defer { buffer = [] }
                return buffer
            }
            var length = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: 65536) { target, count in
                length = recv(descriptor, target.baseAddress, 65536, 0)
                count = max(0, length)
            }
            guard length >= 0 else { throw Gone() }
            return bytes
        }

        /// What the client has sent already, left where it is.
        func bytesWaiting() -> Int {
            var bytes = [UInt8](repeating: 0, count: 4096)
            return buffer.count + max(0, recv(descriptor, &bytes, bytes.count, CInt(MSG_PEEK | MSG_DONTWAIT)))
        }

        func write(_ bytes: [UInt8], untilTaken: Bool = false) throws {
            try bytes.withUnsafeBytes { try write($0) }
            guard untilTaken else { return }
            // Bytes that the client has not read; so that two writes are two reads. It may stop reading: give up then.
            let deadline = ContinuousClock.now + .seconds(2)
            var left: CInt = 0
            while ioctl(descriptor, UInt(TIOCOUTQ), &left) == 0, left > 0 {
                if isStopped() || ContinuousClock.now > deadline { return }
                usleep(50)
            }
        }

        func write(_ bytes: UnsafeRawBufferPointer) throws {
            var rest = bytes
            while let base = rest.baseAddress, !rest.isEmpty {
                let count = send(descriptor, base, rest.count, CInt(MSG_NOSIGNAL))
                guard count > 0 else { throw Gone() }
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
            }
        }

        /// Nil when the client has closed the connection between two requests.
        func readRequest() throws -> Request? {
            var received: [UInt8] = []
            let mark = Data("\r\n\r\n".utf8)
            while true {
                let bytes = try read()
                guard !bytes.isEmpty else { return nil }
                received += bytes
                guard let end = Data(received).range(of: mark) else { continue }
                buffer = Array(received[end.upperBound...])
                var request = try Self.parse(Array(received[..<end.lowerBound]).text)
                while request.body.count < Int(request.headers["content-length"] ?? "") ?? 0 {
                    let bytes = try read()
                    guard !bytes.isEmpty else { throw Gone() }
                    request.body += bytes
                }
                return request
            }
        }

        private static func parse(_ head: String) throws -> Request {
            let lines = head.components(separatedBy: "\r\n")
            let words = lines[0].components(separatedBy: " ")
            guard words.count == 3 else { throw Gone() }
            let headers = lines.dropFirst().reduce(into: [String: String]()) { headers, line in
                let value = line.drop { $0 != ":" }.dropFirst()
                headers[line.prefix { $0 != ":" }.lowercased()] = value.trimmingCharacters(in: .whitespaces)
            }
            return Request(method: words[0], target: words[1], headers: headers)
        }
    }
}
