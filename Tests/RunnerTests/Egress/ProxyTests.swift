import Foundation
import NIOConcurrencyHelpers
import Testing

@testable import Runner

@Suite("Egress: the proxy", .timeLimit(.minutes(5)))
struct EgressProxyTests {
    @Test("CONNECT is a tunnel, also for what is sent right behind it")
    func connect() async throws {
        try await LocalServer.run { wire in
            let line = try await wire.read(until: "\n")
            try await wire.send("you said \(line)")
        } _: { port in
            let (_, report) = try await ProxyFixture.run(allowing: ["local.test:\(port)"]) { proxy in
                try await Wire.connect(to: proxy.path) { wire in
                    try await wire.send(
                        "CONNECT local.test:\(port) HTTP/1.1\r\nHost: local.test:\(port)\r\n\r\nearly\n")
                    let head = try await wire.read(until: "\r\n\r\n")
                    #expect(head == "HTTP/1.1 200 Connection established\r\n\r\n")
                    #expect(try await wire.readToEnd() == "you said early\n")
                }
                let record = try #require(try await proxy.records(1).first)
                #expect(record.request == "CONNECT local.test:\(port)")
                #expect(record.address == "127.0.0.1")
                #expect(record.verdict == .allowed)
                #expect(record.reason == nil)
                #expect(record.sentBytes == 6)
                #expect(record.receivedBytes == 15)
            }
            #expect(report.records.count == 1)
            #expect(report.sentBytes == 6)
            #expect(report.bytes == 21)
        }
    }

    @Test("each half of a tunnel closes by itself", arguments: [true, false])
    func halfClose(clientFirst: Bool) async throws {
        let late = NIOLockedValueBox("")
        try await LocalServer.run { wire in
            if clientFirst {
                let all = try await wire.readToEnd()
                try await wire.send("got \(all)")
            } else {
                try await wire.send("bye")
                wire.finish()
                // The other half is open still.
                let left = try await wire.readToEnd()
                late.withLockedValue { $0 = left }
            }
        } _: { port in
            let (_, report) = try await ProxyFixture.run(allowing: ["local.test:\(port)"]) { proxy in
                try await Wire.connect(to: proxy.path) { wire in
                    try await wire.send("CONNECT local.test:\(port) HTTP/1.1\r\n\r\n")
                    _ = try await wire.read(until: "\r\n\r\n")
                    if clientFirst {
                        try await wire.send("all")
                        wire.finish()
                        #expect(try await wire.readToEnd() == "got all")
                    } else {
                        #expect(try await wire.readToEnd() == "bye")
                        try await wire.send("late")
                        wire.finish()
                    }
                }
                _ = try await proxy.records(1)
                while !clientFirst, late.withLockedValue({ $0 }) != "late" {
                    try await Task.sleep(for: .milliseconds(5))
                }
            }
            #expect(report.records.map(\.sentBytes) == [clientFirst ? 3 : 4])
            #expect(report.records.map(\.receivedBytes) == [clientFirst ? 7 : 3])
        }
    }

    @Test("a host that speaks and ends at once is heard, every time")
    func earlyEnd() async throws {
        try await LocalServer.run { wire in
            try await wire.send("bye")
            wire.finish()
            _ = try await wire.readToEnd()
        } _: { port in
            _ = try await ProxyFixture.run(allowing: ["local.test:\(port)"]) { proxy in
                for _ in 0..<200 {
                    let got = try await proxy.exchange("CONNECT local.test:\(port) HTTP/1.1\r\n\r\n")
                    #expect(got.hasSuffix("\r\n\r\nbye"), "\(got)")
                }
            }
        }
    }

    @Test("a request in plain HTTP goes on as its target says")
    func absolute() async throws {
        try await LocalServer.run(LocalServer.echo) { port in
            let (answer, report) = try await ProxyFixture.run(allowing: ["local.test:\(port)"]) { proxy in
                try await proxy.exchange(
                    """
                    POST http://LOCAL.test:\(port)/a?b=c HTTP/1.1\r\nHost: other.test\r\nContent-Length: 4\r\n\
                    Connection: close, X-Drop\r\nX-Drop: 1\r\nX-Keep: 2\r\nProxy-Authorization: Basic x\r\n\
                    Proxy-Connection: close\r\nUpgrade: h2c\r\nTE: trailers\r\nKeep-Alive: 5\r\n\r\nbody
                    """)
            }
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(answer.contains("POST /a?b=c HTTP/1.1\r\n"))
            #expect(answer.contains("host: local.test:\(port)\r\n"))
            #expect(answer.contains("X-Keep: 2"))
            #expect(answer.contains("content-length: 4"))
            #expect(answer.hasSuffix("body"))
            for gone in ["other.test", "X-Drop", "Proxy-", "Upgrade", "h2c", "TE:", "Keep-Alive"] {
                #expect(!answer.contains(gone), "\(gone) in \(answer)")
            }
            #expect(report.records.map(\.request) == ["POST http://local.test:\(port)"])
        }
    }

    @Test("one connection takes requests for several hosts, and each is checked")
    func keepAlive() async throws {
        try await LocalServer.run(LocalServer.echo) { port in
            let names = ["a.test": [["127.0.0.1"]], "b.test": [["127.0.0.1"]]]
            let allowed = ["a.test:\(port)", "b.test:\(port)"]
            let (_, report) = try await ProxyFixture.run(allowing: allowed, names: names) { proxy in
                try await Wire.connect(to: proxy.path) { wire in
                    for host in ["a.test", "evil.test", "b.test", "a.test"] {
                        try await wire.send("GET http://\(host):\(port)/ HTTP/1.1\r\nHost: \(host)\r\n\r\n")
                        let (head, body) = try await wire.readMessage()
                        if host == "evil.test" {
                            #expect(head.hasPrefix("HTTP/1.1 403 Forbidden"))
                            #expect(body == "paddock: egress: evil.test:\(port) is not in the allow-list\n")
                        } else {
                            #expect(body.contains("host: \(host):\(port)"))
                        }
                    }
                }
            }
            #expect(report.records.map(\.verdict).filter { $0 == .allowed }.count == 3)
            #expect(report.records.map(\.reason?.code).contains(.notListed))
        }
    }

    @Test("requests that are sent without waiting are answered in their order")
    func pipelining() async throws {
        try await LocalServer.run(LocalServer.echo) { port in
            _ = try await ProxyFixture.run(allowing: ["local.test:\(port)"]) { proxy in
                try await Wire.connect(to: proxy.path) { wire in
                    let requests = (0..<20).map { n in
                        let host = n % 5 == 4 ? "evil.test" : "local.test"
                        let body = n % 3 == 2 ? "Content-Length: 3\r\n\r\nabc" : "\r\n"
                        return "PUT http://\(host):\(port)/\(n) HTTP/1.1\r\n\(body)"
                    }
                    try await wire.send(requests.joined())
                    for n in 0..<20 {
                        let (head, body) = try await wire.readMessage()
                        #expect(head.hasPrefix(n % 5 == 4 ? "HTTP/1.1 403" : "HTTP/1.1 200"), "\(n): \(head)")
                        if n % 5 != 4 { #expect(body.hasPrefix("PUT /\(n) HTTP/1.1"), "\(n): \(body)") }
                    }
                }
            }
        }
    }

    @Test("a host that speaks first of 100 Continue gets the body after it")
    func expectContinue() async throws {
        try await LocalServer.run { wire in
            let head = try await wire.read(until: "\r\n\r\n")
            #expect(head.contains("Expect: 100-continue"))
            try await wire.send("HTTP/1.1 100 Continue\r\n\r\n")
            let body = try await wire.read(until: "end")
            try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
        } _: { port in
            _ = try await ProxyFixture.run(allowing: ["local.test:\(port)"]) { proxy in
                try await Wire.connect(to: proxy.path) { wire in
                    let head = "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"
                    try await wire.send("POST http://local.test:\(port)/ HTTP/1.1\r\n" + head)
                    #expect(try await wire.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 100 Continue"))
                    try await wire.send("end")
                    #expect(try await wire.readMessage().body == "end")
                    // Refused: the body may never come, so the connection ends.
                    try await wire.send("POST http://evil.test/ HTTP/1.1\r\n" + head)
                    #expect(try await wire.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 403"))
                }
            }
        }
    }

    @Test(
        "answers reach the client whole, however they are framed",
        arguments: [
            (
                "GET", "1.1", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n",
                "transfer-encoding: chunked", "abc\r\n2\r\nde\r\n0\r\n\r\n"
            ),
            ("GET", "1.0", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "HTTP/1.0 200", "\r\n\r\nabc"),
            ("GET", "1.1", "\r\nto the end", "transfer-encoding: chunked", "a\r\nto the end\r\n0\r\n\r\n"),
            ("HEAD", "1.1", "Content-Length: 5\r\n\r\n", "Content-Length: 5", "\r\n\r\n"),
            ("HEAD", "1.1", "Transfer-Encoding: chunked\r\n\r\n", "200 OK", "\r\n\r\n"),
            (
                "GET", "1.1", "Content-Length: 0\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n",
                "Set-Cookie: a\r\nSet-Cookie: b", "\r\n\r\n"
            ),
        ])
    func framing(method: String, version: String, answer: String, has: String, ends: String) async throws {
        try await LocalServer.run { wire in
            _ = try await wire.readMessage()
            try await wire.send("HTTP/1.1 200 OK\r\n" + answer)
        } _: { port in
            _ = try await ProxyFixture.run(allowing: ["local.test:\(port)"]) { proxy in
                let got = try await proxy.exchange(
                    "\(method) http://local.test:\(port)/ HTTP/\(version)\r\nConnection: close\r\n\r\n")
                #expect(got.contains(has), "\(got)")
                #expect(got.hasSuffix(ends), "\(got)")
            }
        }
    }

    @Test("an answer that breaks off does not look whole")
    func truncated() async throws {
        try await LocalServer.run { wire in
            _ = try await wire.readMessage()
            try await wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        } _: { port in
            _ = try await ProxyFixture.run(allowing: ["local.test:\(port)"]) { proxy in
                let got = try await proxy.exchange("GET http://local.test:\(port)/ HTTP/1.1\r\n\r\n")
                #expect(!got.hasSuffix("0\r\n\r\n"), "\(got)")
            }
        }
    }

    @Test(
        "what fails behind the proxy is told in words",
        arguments: [
            ("silent.test", "502", "closed the connection without an answer"),
            ("garbage.test", "502", "answer cannot be read"), ("upgrade.test", "502", "changed the protocol unasked"),
            ("nowhere.test", "502", "nowhere.test has no address"),
        ])
    func failures(host: String, status: String, says: String) async throws {
        try await LocalServer.run { wire in
            let head = try await wire.read(until: "\r\n\r\n")
            if head.contains("garbage") { try await wire.send("SSH-2.0-x\r\n") }
            if head.contains("upgrade") {
                try await wire.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
            }
        } _: { port in
            let names = Dictionary(
                uniqueKeysWithValues: ["silent.test", "garbage.test", "upgrade.test"].map { ($0, [["127.0.0.1"]]) })
            _ = try await ProxyFixture.run(allowing: ["*.test:\(port)"], names: names) { proxy in
                let got = try await proxy.exchange(
                    "GET http://\(host):\(port)/ HTTP/1.1\r\nConnection: close\r\n\r\n")
                #expect(got.hasPrefix("HTTP/1.1 \(status)"), "\(got)")
                #expect(got.contains("content-type: text/plain"))
                #expect(got.contains(says), "\(got)")
            }
        }
    }

    @Test("a port that nobody listens on is a failure with the kernel's words", arguments: ["CONNECT", "GET"])
    func unreachable(method: String) async throws {
        let (taken, port) = try Self.unservedPort()
        defer { close(taken) }
        _ = try await ProxyFixture.run(allowing: ["local.test:\(port)"]) { proxy in
            let target = method == "CONNECT" ? "local.test:\(port)" : "http://local.test:\(port)/"
            let got = try await proxy.exchange("\(method) \(target) HTTP/1.1\r\nConnection: close\r\n\r\n")
            #expect(got.hasPrefix("HTTP/1.1 502"), "\(got)")
            #expect(got.contains("local.test:\(port) (127.0.0.1) cannot be reached: Connection refused"), "\(got)")
            let record = try #require(proxy.sink.records.first)
            #expect(record.verdict == .failed)
            #expect(record.reason?.code == .unreachable)
        }
    }

    /// A socket that has a port and does not listen: nobody else can take the port while it is open.
    private static func unservedPort() throws -> (descriptor: CInt, port: Int) {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        try #require(bound)
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }
}
