import Foundation
import NIOConcurrencyHelpers
import Testing

@testable import Runner

@Suite("Egress: limits", .timeLimit(.minutes(5)))
struct EgressLimitTests {
    private static let chunk = 64 << 10
    private static let total = 64 << 20

    @Test(
        "a client that does not read makes the host wait, and gets all of it in the end", arguments: ["CONNECT", "GET"])
    func slowClient(method: String) async throws {
        try await LocalServer.run { wire in
            if method == "GET" {
                _ = try await wire.read(until: "\r\n\r\n")
                try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: \(Self.total)\r\n\r\n")
            }
            for _ in 0..<Self.total / Self.chunk { try await wire.send(zeros: Self.chunk) }
            wire.finish()
            _ = try await wire.readToEnd()
        } _: { port in
            _ = try await ProxyFixture.run(allowing: ["local.test:\(port)"]) { proxy in
                try await Wire.connect(to: proxy.path) { wire in
                    let target = method == "CONNECT" ? "local.test:\(port)" : "http://local.test:\(port)/"
                    try await wire.send("\(method) \(target) HTTP/1.1\r\nConnection: close\r\n\r\n")
                    let head = try await wire.read(until: "\r\n\r\n")
                    // The socket's buffer, what the test's own end reads ahead, and 128 KiB of the proxy's.
                    let held = try await proxy.stalled(beyond: 100_000)
                    #expect(held < 2 << 20)
                    let all = try await wire.countToEnd()
                    #expect(all == Self.total + head.utf8.count)
                }
            }
        }
    }

    @Test("a host that closes does not make the proxy take what the client does not")
    func closedHost() async throws {
        try await LocalServer.run { wire in
            // As much as the kernel's buffers on the way take, with the end of the stream behind it.
            for _ in 0..<Self.total / Self.chunk { try await wire.send(zeros: Self.chunk) }
            wire.finish()
            _ = try await wire.readToEnd()
        } _: { port in
            _ = try await ProxyFixture.run(allowing: ["local.test:\(port)"]) { proxy in
                try await Wire.connect(to: proxy.path) { wire in
                    try await wire.send("CONNECT local.test:\(port) HTTP/1.1\r\n\r\n")
                    let head = try await wire.read(until: "\r\n\r\n")
                    // Leaves less under way than the buffers hold, so that the end arrives too.
                    try await wire.count(to: head.utf8.count + Self.total - (1 << 20))
                    let held = try await proxy.stalled(beyond: 100_000) - Int64(wire.receivedBytes - head.utf8.count)
                    #expect(held <= 2 << 20)
                    let all = try await wire.countToEnd()
                    #expect(all == Self.total + head.utf8.count)
                }
            }
        }
    }

    @Test(
        "a host that does not read makes the client wait, and gets all of it in the end", arguments: ["CONNECT", "PUT"])
    func slowHost(method: String) async throws {
        let mayRead = NIOLockedValueBox(false)
        try await LocalServer.run(receiveBuffer: 64 << 10) { wire in
            let head = try await wire.read(until: "start")
            while !mayRead.withLockedValue({ $0 }) { try await Task.sleep(for: .milliseconds(10)) }
            try await wire.count(to: head.utf8.count + Self.total)
            try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nall")
        } _: { port in
            _ = try await ProxyFixture.run(allowing: ["local.test:\(port)"]) { proxy in
                try await Wire.connect(to: proxy.path) { wire in
                    let target = method == "CONNECT" ? "local.test:\(port)" : "http://local.test:\(port)/"
                    try await wire.send("\(method) \(target) HTTP/1.1\r\nContent-Length: \(Self.total + 5)\r\n\r\n")
                    if method == "CONNECT" { _ = try await wire.read(until: "\r\n\r\n") }
                    try await wire.send("start")
                    async let held = {
                        let held = try await proxy.stalled(beyond: 100_000)
                        mayRead.withLockedValue { $0 = true }
                        return held
                    }()
                    for _ in 0..<Self.total / Self.chunk { try await wire.send(zeros: Self.chunk) }
                    // Mostly the kernel's buffers, whose sizes the proxy sets.
                    #expect(try await held < 2 << 20)
                    #expect(try await wire.readMessage().body == "all")
                }
            }
        }
    }

    @Test("200 connections at once, half of them tunnels")
    func many() async throws {
        try await LocalServer.run(LocalServer.echo) { port in
            let (_, report) = try await ProxyFixture.run(allowing: ["local.test:\(port)"]) { proxy in
                try await withThrowingTaskGroup { group in
                    let open = NIOLockedValueBox(0)
                    for n in 0..<200 {
                        group.addTask {
                            try await Wire.connect(to: proxy.path) { wire in
                                let isTunnel = n.isMultiple(of: 2)
                                if isTunnel {
                                    try await wire.send("CONNECT local.test:\(port) HTTP/1.1\r\n\r\n")
                                    _ = try await wire.read(until: "\r\n\r\n")
                                }
                                // All of them are open before the first is used.
                                open.withLockedValue { $0 += 1 }
                                while open.withLockedValue({ $0 }) < 200 { try await Task.sleep(for: .milliseconds(5)) }
                                let target = isTunnel ? "/\(n)" : "http://local.test:\(port)/\(n)"
                                try await wire.send("GET \(target) HTTP/1.1\r\n\r\n")
                                #expect(try await wire.readMessage().body.hasPrefix("GET /\(n) HTTP/1.1"))
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                _ = try await proxy.records(200)
            }
            #expect(report.records.count == 200)
            #expect(report.records.allSatisfy { $0.verdict == .allowed && $0.receivedBytes > 0 })
        }
    }

    @Test("one connection too many is told so, and a place that is free again is taken")
    func connections() async throws {
        try await LocalServer.run(LocalServer.echo) { port in
            let limits = EgressPolicy.Limits.with { $0.connections = 2 }
            let request = "GET http://local.test:\(port)/ HTTP/1.1\r\nConnection: close\r\n\r\n"
            let (_, report) = try await ProxyFixture.run(allowing: ["local.test:\(port)"], limits: limits) { proxy in
                try await Wire.connect(to: proxy.path) { first in
                    try await first.send("GET http://evil.test/ HTTP/1.1\r\n\r\n")
                    _ = try await first.readMessage()
                    try await Wire.connect(to: proxy.path) { second in
                        try await second.send("GET http://evil.test/ HTTP/1.1\r\n\r\n")
                        _ = try await second.readMessage()
                        let got = try await proxy.exchange(request)
                        #expect(got.hasPrefix("HTTP/1.1 503"), "\(got)")
                        #expect(got.contains("more than 2 connections at once"))
                    }
                }
                #expect(try await proxy.answer(200, "GET http://local.test:\(port)/").hasPrefix("HTTP/1.1 200"))
            }
            #expect(report.records.contains { $0.reason?.code == .connectionLimit })
        }
    }

    @Test("the limit of bytes cuts off what goes past it, and lets nothing new out")
    func bytes() async throws {
        try await LocalServer.run { wire in
            while true { try await wire.send(zeros: 1000) }
        } _: { port in
            let limits = EgressPolicy.Limits.with { $0.bytes = 1 << 20 }
            let (_, report) = try await ProxyFixture.run(allowing: ["local.test:\(port)"], limits: limits) { proxy in
                try await Wire.connect(to: proxy.path) { wire in
                    try await wire.send("CONNECT local.test:\(port) HTTP/1.1\r\n\r\n")
                    _ = try await wire.read(until: "\r\n\r\n")
                    #expect(try await wire.readToEnd().utf8.count <= 1 << 20)
                }
                let record = try #require(try await proxy.records(1).first)
                #expect(record.verdict == .allowed)
                #expect(record.reason?.code == .byteLimit)
                #expect(record.receivedBytes > 900_000)
            }
            #expect(report.bytes <= 1 << 20)
        }
    }

    @Test("a request past the limit of bytes is refused")
    func bytesRefused() async throws {
        try await LocalServer.run(LocalServer.echo) { port in
            let request = "GET http://local.test:\(port)/ HTTP/1.1\r\n\r\n"
            // To the byte what the first exchange needs: what goes on has connection, host and no more.
            let sent = "GET / HTTP/1.1\r\nhost: local.test:\(port)\r\nconnection: close\r\n\r\n".utf8.count
            let answered = "HTTP/1.1 200 OK\r\nContent-Length: \(sent)\r\n\r\n".utf8.count + sent
            let limits = EgressPolicy.Limits.with { $0.bytes = Int64(sent + answered) }
            _ = try await ProxyFixture.run(allowing: ["local.test:\(port)"], limits: limits) { proxy in
                try await Wire.connect(to: proxy.path) { wire in
                    try await wire.send(request)
                    #expect(try await wire.readMessage().head.hasPrefix("HTTP/1.1 200"))
                    try await wire.send(request)
                    let (head, body) = try await wire.readMessage()
                    #expect(head.hasPrefix("HTTP/1.1 403"))
                    #expect(body.contains("limit of \(sent + answered) bytes of egress is reached"))
                }
            }
        }
    }

    @Test("a host that says nothing is given up", arguments: ["CONNECT", "GET"])
    func idle(method: String) async throws {
        try await LocalServer.run { wire in
            _ = try await wire.readToEnd()
        } _: { port in
            let limits = EgressPolicy.Limits.with { $0.idle = .seconds(1) }
            let (_, report) = try await ProxyFixture.run(allowing: ["local.test:\(port)"], limits: limits) { proxy in
                let target = method == "CONNECT" ? "local.test:\(port)" : "http://local.test:\(port)/"
                let got = try await proxy.exchange("\(method) \(target) HTTP/1.1\r\nConnection: close\r\n\r\n")
                if method == "GET" {
                    #expect(got.hasPrefix("HTTP/1.1 504"), "\(got)")
                    #expect(got.contains("nothing was sent or received for 1 s"), "\(got)")
                }
                _ = try await proxy.records(1)
            }
            #expect(report.records.map(\.reason?.code) == [.timeout])
        }
    }

    @Test(
        "a client that never sends a whole head is cut off", arguments: ["", "GET http://local.test/ HTTP/1.1\r\nA: "])
    func head(sent: String) async throws {
        let limits = EgressPolicy.Limits.with { $0.head = .milliseconds(200) }
        _ = try await ProxyFixture.run(allowing: ["local.test"], limits: limits) { proxy in
            let got = try await Wire.connect(to: proxy.path) { wire in
                // It may be cut off before that.
                try? await wire.send(sent)
                return try await wire.readToEnd()
            }
            #expect(got == "")
        }
    }

    @Test("a name that is not resolved in time is a timeout")
    func resolve() async throws {
        let limits = EgressPolicy.Limits.with { $0.resolve = .milliseconds(100) }
        let (_, report) = try await ProxyFixture.run(allowing: ["slow.test"], limits: limits) { proxy in
            let got = try await proxy.exchange("CONNECT slow.test:443 HTTP/1.1\r\n\r\n")
            #expect(got.hasPrefix("HTTP/1.1 504"), "\(got)")
            #expect(got.contains("slow.test was not resolved within 0.1 s"), "\(got)")
        }
        #expect(report.records.map(\.reason?.code) == [.timeout])
    }

    @Test("closing the proxy ends every connection and removes the socket")
    func close() async throws {
        try await LocalServer.run { wire in
            _ = try await wire.readToEnd()
        } _: { port in
            let path = NIOLockedValueBox("")
            let (task, report) = try await ProxyFixture.run(allowing: ["local.test:\(port)"]) { proxy in
                path.withLockedValue { $0 = proxy.path }
                let isOpen = NIOLockedValueBox(false)
                let task = Task {
                    try await Wire.connect(to: proxy.path) { wire in
                        try await wire.send("CONNECT local.test:\(port) HTTP/1.1\r\n\r\n")
                        _ = try await wire.read(until: "\r\n\r\n")
                        isOpen.withLockedValue { $0 = true }
                        return try await wire.readToEnd()
                    }
                }
                while !isOpen.withLockedValue({ $0 }) { try await Task.sleep(for: .milliseconds(5)) }
                return task
            }
            #expect(try await task.value == "")
            #expect(report.records.count == 1)
            #expect(!FileManager.default.fileExists(atPath: path.withLockedValue { $0 }))
        }
    }

    @Test("past a thousand, records are counted and not kept")
    func records() {
        let ledger = EgressLedger(limits: .init(), sink: nil)
        for _ in 0..<1010 { ledger.file(EgressRecord(.refused, method: nil, target: nil)) }
        ledger.file(EgressRecord(.failed, method: nil, target: nil))
        ledger.file(EgressRecord(.allowed, method: nil, target: nil))
        #expect(ledger.report.records.count == 1000)
        #expect(ledger.report.droppedRecords == 12)
        let counts = ledger.report.counts
        #expect(counts.refused == 1010 && counts.failed == 1 && counts.allowed == 1)
    }
}
