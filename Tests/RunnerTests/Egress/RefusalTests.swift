import Foundation
import NIOHTTP1
import Testing

@testable import Runner

@Suite("Egress: what the proxy refuses", .timeLimit(.minutes(5)))
struct EgressRefusalTests {
    @Test(
        "requests that no proxy should pass on",
        arguments: [
            ("GET / HTTP/1.1", "this is a proxy"), ("GET local.test/ HTTP/1.1", "this is a proxy"),
            ("GET ftp://local.test/ HTTP/1.1", "this is a proxy"), ("OPTIONS * HTTP/1.1", "this is a proxy"),
            ("GET https://local.test/ HTTP/1.1", "by CONNECT"),
            ("GET http://user:pw@local.test/ HTTP/1.1", "user name"),
            ("GET http://local.test/#x HTTP/1.1", "fragment"), ("GET http:///x HTTP/1.1", "empty"),
            ("GET http://local.test:/ HTTP/1.1", "port"), ("GET http://local.test:0/ HTTP/1.1", "port"),
            ("GET http://local.test:99999/ HTTP/1.1", "port"), ("GET http://local.test:80:80/ HTTP/1.1", "characters"),
            ("GET http://lo%63al.test/ HTTP/1.1", "characters"),
            ("GET http://local.test\\@evil.test/ HTTP/1.1", "not HTTP"),
            ("GET http://local.test\\evil.test/ HTTP/1.1", "not HTTP"),
            ("GET http://local.test/b\u{FC}cher HTTP/1.1", "not HTTP"),
            ("GET http://b\u{FC}cher.test/ HTTP/1.1", "not HTTP"),
            ("CONNECT local.test HTTP/1.1", "HOST:PORT"), ("CONNECT local.test:x HTTP/1.1", "port"),
            ("CONNECT http://local.test:80/ HTTP/1.1", "CONNECT"), ("CONNECT a@local.test:80 HTTP/1.1", "characters"),
            ("CONNECT :80 HTTP/1.1", "empty"),
            ("GET http://local.test/a\u{0}b HTTP/1.1", "not HTTP"), ("GET http://local.test/a\rb HTTP/1.1", "not HTTP"),
            ("GET http://local.test/ HTTP/3.0", "not HTTP"), ("hello", "not HTTP"), ("\u{16}\u{3}\u{1}", "not HTTP"),
            ("GET http://local.test/ HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked", "not HTTP"),
            ("GET http://local.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3", "not HTTP"),
            ("GET http://local.test/ HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4", "not HTTP"),
            ("GET http://local.test/ HTTP/1.1\r\nContent-Length: +3", "not HTTP"),
            ("GET http://local.test/ HTTP/1.1\r\nTransfer-Encoding: gzip, chunked", "Transfer-Encoding"),
            ("GET http://local.test/ HTTP/1.0\r\nTransfer-Encoding: chunked", "Transfer-Encoding"),
            ("GET http://local.test/ HTTP/1.1\r\nA b: c", "not HTTP"),
            ("GET http://local.test/ HTTP/1.1\r\nA : c", "not HTTP"),
            ("GET http://local.test/ HTTP/1.1\r\nA: b\u{0}c", "not HTTP"),
            ("GET http://local.test/ HTTP/1.1\r\nA: b\u{1}c", "not HTTP"),
            ("GET http://local.test/ HTTP/1.1\r\n folded: x", "not HTTP"),
        ])
    func malformed(request: String, says: String) async throws {
        let (_, report) = try await ProxyFixture.run(allowing: ["local.test:80"]) { proxy in
            let got = try await proxy.exchange(request + "\r\n\r\n")
            #expect(got.hasPrefix("HTTP/1.1 400 Bad Request\r\n"), "\(got)")
            #expect(got.contains(says), "\(got)")
            #expect(proxy.resolver.lookups == 0)
        }
        #expect(report.records.map(\.verdict) == [.refused])
        #expect(report.records.map(\.reason?.code) == [.malformed])
        #expect(report.bytes == 0)
    }

    @Test(
        "what the parser might let through is refused behind it",
        arguments: [
            ("http://a.test/\u{1}", []), ("http://a.test/\r\nX:y", []), ("http://a.test/\u{0}", []),
            ("http://b\u{FC}cher.test/", []), ("http://a.test\\@b.test/", []), ("http://a.test\\b.test/", []),
            ("http://a.test/", [("Content-Length", "3"), ("Transfer-Encoding", "chunked")]),
            ("http://a.test/", [("Content-Length", "3"), ("Content-Length", "3")]),
            ("http://a.test/", [("Content-Length", "+3")]), ("http://a.test/", [("Content-Length", "0x3")]),
            ("http://a.test/", [("Transfer-Encoding", "identity")]),
            ("http://a.test/", [("X", "a\r\nY: b")]), ("http://a.test/", [("X", "a\u{0}b")]),
        ])
    func secondLine(uri: String, headers: [(String, String)]) {
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: uri, headers: HTTPHeaders(headers))
        let reason = #expect(throws: EgressRecord.Reason.self) { try ProxyRequest(head) }
        #expect(reason?.code == .malformed)
    }

    @Test("a body never goes on without what frames it, whatever Connection names")
    func connectionNamesFraming() async throws {
        try await LocalServer.run(LocalServer.echo) { port in
            _ = try await ProxyFixture.run(allowing: ["local.test:\(port)"]) { proxy in
                let got = try await proxy.exchange(
                    "POST http://local.test:\(port)/ HTTP/1.1\r\nConnection: close, Content-Length, Host\r\n"
                        + "Content-Length: 31\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x")
                #expect(got.contains("content-length: 31\r\n"), "\(got)")
                #expect(got.contains("host: local.test:\(port)\r\n"))
            }
        }
    }

    @Test("a request is answered even with garbage behind it", arguments: ["x", "\r\n", "\u{0}\u{1}"])
    func garbageBehind(garbage: String) async throws {
        try await LocalServer.run(LocalServer.echo) { port in
            _ = try await ProxyFixture.run(allowing: ["local.test:\(port)"]) { proxy in
                for connection in ["close", "keep-alive"] {
                    try await Wire.connect(to: proxy.path) { wire in
                        let head = "Connection: \(connection)\r\nContent-Length: 1\r\n\r\na"
                        try await wire.send("POST http://local.test:\(port)/ HTTP/1.1\r\n\(head)\(garbage)")
                        #expect(try await wire.readMessage().head.hasPrefix("HTTP/1.1 200"))
                    }
                }
            }
        }
    }

    @Test(
        "hosts that no rule names are refused before they are resolved",
        arguments: [
            "CONNECT evil.test:443", "CONNECT local.test:444", "CONNECT 127.0.0.1:443", "CONNECT [::1]:443",
            "CONNECT localhost:443", "CONNECT x.local.test:443", "CONNECT [::ffff:127.0.0.1]:443",
            "GET http://local.test/", "GET http://127.0.0.1:443/", "GET http://evil.test:443/?local.test:443",
        ])
    func notListed(request: String) async throws {
        let (_, report) = try await ProxyFixture.run(allowing: ["local.test"]) { proxy in
            let got = try await proxy.exchange("\(request) HTTP/1.1\r\nHost: local.test\r\nConnection: close\r\n\r\n")
            #expect(got.hasPrefix("HTTP/1.1 403 Forbidden\r\n"), "\(got)")
            #expect(got.contains("content-type: text/plain"))
            #expect(got.hasSuffix(" is not in the allow-list\n"), "\(got)")
            #expect(proxy.resolver.lookups == 0)
        }
        #expect(report.records.map(\.reason?.code) == [.notListed])
    }

    @Test(
        "odd ways to write an address are refused, even behind a wildcard",
        arguments: [
            "0x7f.1", "017700000001", "127.1", "2130706433", "0x7f000001", "127.0.0.1.", "0177.0.0.1", "1.2.3.4.5",
        ])
    func oddAddresses(host: String) async throws {
        _ = try await ProxyFixture.run(allowing: ["*.test"]) { proxy in
            let got = try await proxy.exchange("CONNECT \(host):443 HTTP/1.1\r\n\r\n")
            #expect(got.hasPrefix("HTTP/1.1 400"), "\(got)")
            #expect(got.contains("odd way to write an address"), "\(got)")
        }
    }

    @Test(
        "what a listed name resolves to is looked at",
        arguments: [
            ["127.0.0.1"], ["169.254.169.254"], ["10.0.0.1", "192.168.0.1"], ["::1"], ["::ffff:127.0.0.1"],
            ["64:ff9b::7f00:1"], ["fd00:ec2::254"], ["2002:7f00:1::"], ["0.0.0.0"], ["100.64.0.1"], ["224.0.0.1"],
        ])
    func resolved(addresses: [String]) async throws {
        let names = ["local.test": [addresses]]
        let (_, report) = try await ProxyFixture.run(allowing: ["local.test"], private: [], names: names) { proxy in
            let got = try await proxy.exchange("CONNECT local.test:443 HTTP/1.1\r\n\r\n")
            #expect(got.hasPrefix("HTTP/1.1 403 Forbidden\r\n"), "\(got)")
            #expect(got.contains("local.test leads to \(addresses[0]), which is"), "\(got)")
        }
        #expect(report.records.map(\.reason?.code) == [.reservedAddress])
        #expect(report.records.map(\.address) == [addresses[0]])
    }

    @Test("an address in a rule is looked at just the same")
    func literal() async throws {
        try await LocalServer.run(LocalServer.echo) { port in
            for (ranges, status) in [([], "403"), (["127.0.0.1"], "200")] {
                _ = try await ProxyFixture.run(allowing: ["127.0.0.1:\(port)"], private: ranges) { proxy in
                    let got = try await proxy.exchange(
                        "GET http://127.0.0.1:\(port)/ HTTP/1.1\r\nConnection: close\r\n\r\n")
                    #expect(got.hasPrefix("HTTP/1.1 \(status)"), "\(got)")
                }
            }
        }
    }

    @Test("a name is resolved once for each connection, and what was checked is what is connected to")
    func rebinding() async throws {
        try await LocalServer.run(LocalServer.echo) { port in
            // Good at first, the metadata service ever after.
            let names = ["local.test": [["127.0.0.1"], ["169.254.169.254"]]]
            let (_, report) = try await ProxyFixture.run(allowing: ["local.test:\(port)"], names: names) { proxy in
                try await Wire.connect(to: proxy.path) { wire in
                    let request = "GET http://local.test:\(port)/ HTTP/1.1\r\n\r\n"
                    try await wire.send(request)
                    #expect(try await wire.readMessage().head.hasPrefix("HTTP/1.1 200"))
                    #expect(proxy.resolver.lookups == 1)
                    try await wire.send(request)
                    #expect(try await wire.readMessage().head.hasPrefix("HTTP/1.1 403"))
                    #expect(proxy.resolver.lookups == 2)
                }
            }
            #expect(Set(report.records.map(\.address)) == ["127.0.0.1", "169.254.169.254"])
        }
    }

    @Test("of a name with good and bad addresses, only the good ones are used")
    func mixed() async throws {
        try await LocalServer.run(LocalServer.echo) { port in
            let names = ["local.test": [["10.0.0.1", "169.254.169.254", "127.0.0.1"]]]
            let (_, report) = try await ProxyFixture.run(allowing: ["local.test:\(port)"], names: names) { proxy in
                let got = try await proxy.exchange(
                    "GET http://local.test:\(port)/ HTTP/1.1\r\nConnection: close\r\n\r\n")
                #expect(got.hasPrefix("HTTP/1.1 200"), "\(got)")
            }
            #expect(report.records.map(\.address) == ["127.0.0.1"])
        }
    }

    @Test("the next good address is tried where one does not answer")
    func nextAddress() async throws {
        try await LocalServer.run(LocalServer.echo) { port in
            let names = ["local.test": [["127.0.0.9", "127.0.0.1"]]]
            let (_, report) = try await ProxyFixture.run(allowing: ["local.test:\(port)"], names: names) { proxy in
                let got = try await proxy.exchange(
                    "GET http://local.test:\(port)/ HTTP/1.1\r\nConnection: close\r\n\r\n")
                #expect(got.hasPrefix("HTTP/1.1 200"), "\(got)")
            }
            #expect(report.records.map(\.address) == ["127.0.0.1"])
        }
    }

    @Test("the system's resolver knows localhost, and says what it does not know")
    func system() async throws {
        let resolver = SystemResolver()
        defer { resolver.close() }
        #expect(try await resolver.addresses(of: "localhost").contains(.v4(0x7F00_0001)))
        let error = await #expect(throws: EgressRecord.Reason.self) {
            try await resolver.addresses(of: "no-such-host.invalid")
        }
        #expect(error?.message.contains("no-such-host.invalid cannot be resolved") == true)
    }
}
