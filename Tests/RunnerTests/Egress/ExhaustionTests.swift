import Foundation
import NIOConcurrencyHelpers
import Testing

@testable import Runner

/// What an agent begins and leaves behind takes places too, and ends in time.
@Suite("Egress: connections that are left behind", .timeLimit(.minutes(5)))
struct EgressExhaustionTests {
    /// Opens a tunnel, sends more than the host's end of it takes, and leaves.
    private func stall(_ proxy: ProxyFixture, port: Int) async throws {
        try await Wire.connect(to: proxy.path) { wire in
            try await wire.send("CONNECT local.test:\(port) HTTP/1.1\r\n\r\n")
            _ = try await wire.read(until: "\r\n\r\n")
            let before = proxy.proxy.report.bytes
            wire.pour(zeros: 8 << 20)
            _ = try await proxy.stalled(beyond: before)
        }
    }

    @Test("a tunnel whose client has gone keeps its place until the host has taken what was sent")
    func leftTunnels() async throws {
        let mayRead = NIOLockedValueBox(false)
        try await LocalServer.run(receiveBuffer: 16 << 10) { wire in
            while !mayRead.withLockedValue({ $0 }) { try await Task.sleep(for: .milliseconds(10)) }
            _ = try await wire.countToEnd()
        } _: { port in
            let limits = EgressPolicy.Limits.with {
                $0.connections = 2
                $0.flush = .seconds(100)
            }
            _ = try await ProxyFixture.run(allowing: ["local.test:\(port)"], limits: limits) { proxy in
                for _ in 0..<2 { try await stall(proxy, port: port) }
                // Not for the clients, of which there is one at a time.
                for _ in 0..<10 {
                    let got = try await proxy.exchange("CONNECT local.test:\(port) HTTP/1.1\r\n\r\n")
                    #expect(got.hasPrefix("HTTP/1.1 503"), "\(got)")
                    #expect(got.contains("more than 2 connections at once"), "\(got)")
                }
                mayRead.withLockedValue { $0 = true }
                let records = try await proxy.records { $0.filter { $0.verdict == .allowed }.count == 2 }
                #expect(records.allSatisfy { $0.verdict == .refused || $0.reason == nil })
                try await Wire.connect(to: proxy.path) { wire in
                    try await wire.send("CONNECT local.test:\(port) HTTP/1.1\r\n\r\n")
                    #expect(try await wire.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200"))
                }
            }
        }
    }

    @Test("a host that takes nothing after the client has gone is given up long before the idle limit")
    func unflushed() async throws {
        try await LocalServer.run(receiveBuffer: 16 << 10) { _ in
            try await Task.sleep(for: .seconds(600))
        } _: { port in
            let limits = EgressPolicy.Limits.with { $0.flush = .milliseconds(200) }
            _ = try await ProxyFixture.run(allowing: ["local.test:\(port)"], limits: limits) { proxy in
                try await stall(proxy, port: port)
                let record = try #require(try await proxy.records(1).first)
                #expect(record.verdict == .allowed)
                #expect(record.reason?.code == .timeout)
                #expect(record.reason?.message.contains("did not take the rest within 0.2 s") == true)
                #expect(record.sentBytes < 2 << 20, "the kernel's buffers and the proxy's are bounded")
            }
        }
    }

    @Test("a client that leaves ends the lookup that it waits for")
    func leftLookup() async throws {
        try await LocalServer.run(LocalServer.echo) { port in
            let limits = EgressPolicy.Limits.with {
                $0.connections = 1
                $0.resolve = .seconds(100)
            }
            let allowed = ["slow.test", "local.test:\(port)"]
            _ = try await ProxyFixture.run(allowing: allowed, limits: limits) { proxy in
                try await Wire.connect(to: proxy.path) { wire in
                    try await wire.send("CONNECT slow.test:443 HTTP/1.1\r\n\r\n")
                    while proxy.resolver.lookups == 0 { try await Task.sleep(for: .milliseconds(5)) }
                }
                #expect(try await proxy.answer(200, "GET http://local.test:\(port)/").hasPrefix("HTTP/1.1 200"))
                // Its place may be free before it is filed.
                let records = try await proxy.records { $0.contains { $0.host == "slow.test" } }
                let abandoned = try #require(records.first { $0.host == "slow.test" })
                #expect(abandoned.verdict == .failed)
                #expect(abandoned.reason?.code == .abandoned)
            }
        }
    }

    @Test("a lookup that is late keeps its place until it has really ended")
    func lateLookup() async throws {
        try await LocalServer.run(LocalServer.echo) { port in
            let limits = EgressPolicy.Limits.with {
                $0.connections = 1
                $0.resolve = .milliseconds(500)
            }
            let allowed = ["stuck.test", "local.test:\(port)"]
            _ = try await ProxyFixture.run(allowing: allowed, limits: limits) { proxy in
                let late = try await proxy.exchange("CONNECT stuck.test:443 HTTP/1.1\r\n\r\n")
                #expect(late.hasPrefix("HTTP/1.1 504"), "\(late)")
                let request = "GET http://local.test:\(port)/"
                for _ in 0..<10 {
                    let got = try await proxy.exchange("\(request) HTTP/1.1\r\nConnection: close\r\n\r\n")
                    #expect(got.hasPrefix("HTTP/1.1 503"), "\(got)")
                }
                #expect(proxy.resolver.lookups == 1)
                proxy.resolver.release()
                #expect(try await proxy.answer(200, request).hasPrefix("HTTP/1.1 200"))
            }
        }
    }

    @Test("a client that leaves ends the connection that is being made for it")
    func leftConnect() async throws {
        let silent = try SilentListener()
        try await LocalServer.run(LocalServer.echo) { port in
            let limits = EgressPolicy.Limits.with {
                $0.connections = 1
                $0.connect = .seconds(100)
            }
            let allowed = ["local.test:\(silent.port)", "local.test:\(port)"]
            _ = try await ProxyFixture.run(allowing: allowed, limits: limits) { proxy in
                try await Wire.connect(to: proxy.path) { wire in
                    try await wire.send("CONNECT local.test:\(silent.port) HTTP/1.1\r\n\r\n")
                    while proxy.resolver.lookups == 0 { try await Task.sleep(for: .milliseconds(5)) }
                    // The kernel is asked next; leaving before that must end it as well.
                    try await Task.sleep(for: .milliseconds(50))
                }
                let request = "GET http://local.test:\(port)/"
                #expect(try await proxy.answer(200, request).hasPrefix("HTTP/1.1 200"))
                let records = try await proxy.records { $0.contains { $0.port == silent.port } }
                let abandoned = try #require(records.first { $0.port == silent.port })
                #expect(abandoned.reason?.code == .abandoned)
            }
        }
    }
}

/// Listens on the loopback interface with a queue that is full: the kernel drops what asks for more.
private final class SilentListener: Sendable {
    struct Failed: Error { let number: Int32 }

    let port: Int
    private let descriptors: [CInt]

    init() throws {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var descriptors = [listener]
        let isListening = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, length) == 0 && listen(listener, 0) == 0
                    && getsockname(listener, address, &length) == 0
            }
        }
        guard isListening else { throw Failed(number: errno) }
        port = Int(UInt16(bigEndian: address.sin_port))
        // A queue of 0 takes one; listen(2).
        for _ in 0..<4 {
            let client = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0)
            descriptors.append(client)
            withUnsafePointer(to: &address) { address in
                address.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = connect(client, $0, length) }
            }
        }
        self.descriptors = descriptors
    }

    deinit { for descriptor in descriptors { close(descriptor) } }
}
