import Foundation
import NIOConcurrencyHelpers

@testable import Runner

/// Answers as it is told, and counts.
final class StubResolver: EgressResolver {
    private let answers: NIOLockedValueBox<[String: [[String]]]>
    private let count = NIOLockedValueBox(0)
    /// Lookups that wait, whatever is cancelled, as getaddrinfo(3) does.
    private let stuck = NIOLockedValueBox<[CheckedContinuation<Void, Never>]>([])

    /// - Parameter answers: for each name its addresses, lookup after lookup; the last one is for all that follow.
    init(_ answers: [String: [[String]]]) { self.answers = NIOLockedValueBox(answers) }

    var lookups: Int { count.withLockedValue { $0 } }

    func addresses(of name: String) async throws -> [IPAddress] {
        count.withLockedValue { $0 += 1 }
        if name == "slow.test" { try await Task.sleep(for: .seconds(30)) }
        if name == "stuck.test" {
            await withCheckedContinuation { continuation in stuck.withLockedValue { $0.append(continuation) } }
        }
        let texts: [String] = answers.withLockedValue { answers in
            guard var left = answers[name], let next = left.first else { return [] }
            if left.count > 1 { left.removeFirst() }
            answers[name] = left
            return next
        }
        return texts.compactMap { IPAddress($0) }
    }

    /// Lets the stuck ones end.
    func release() {
        let waiting = stuck.withLockedValue { stuck in
            defer { stuck = [] }
            return stuck
        }
        for continuation in waiting { continuation.resume() }
    }

    func close() { release() }
}

/// Keeps the records that a proxy files.
final class RecordSink: EgressSink {
    private let box = NIOLockedValueBox<[EgressRecord]>([])
    var records: [EgressRecord] { box.withLockedValue { $0 } }
    func take(_ record: EgressRecord) { box.withLockedValue { $0.append(record) } }
}

/// A proxy on a socket in a folder of its own.
struct ProxyFixture: Sendable {
    let proxy: EgressProxy
    let sink: RecordSink
    let resolver: StubResolver

    var path: String { proxy.socketPath }

    /// - Parameter allowed: rules.
    static func run<Result>(
        allowing allowed: [String], private ranges: [String] = ["127.0.0.0/8"],
        names: [String: [[String]]] = ["local.test": [["127.0.0.1"]]],
        limits: EgressPolicy.Limits = .init(), _ body: (ProxyFixture) async throws -> Result
    ) async throws -> (Result, EgressReport) {
        let folder = FileManager.default.temporaryDirectory.appending(path: "egress-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var policy = try EgressPolicy(
            rules: allowed.map { try EgressRule($0) }, allowedPrivate: ranges.map { try AddressRange($0) })
        policy.limits = limits
        let sink = RecordSink()
        let resolver = StubResolver(names)
        let proxy = try await EgressProxy.start(
            policy, socketPath: folder.path() + "/s", uid: geteuid(), sink: sink, resolver: resolver)
        let fixture = ProxyFixture(proxy: proxy, sink: sink, resolver: resolver)
        do {
            let result = try await body(fixture)
            return (result, await proxy.close())
        } catch {
            _ = await proxy.close()
            throw error
        }
    }

    /// Sends one request and reads to the end of the connection.
    func exchange(_ request: String) async throws -> String {
        try await Wire.connect(to: path) { wire in
            try await wire.send(request)
            return try await wire.readToEnd()
        }
    }

    /// Asks until the answer is the wanted one; the last answer.
    func answer(_ status: Int, _ request: String) async throws -> String {
        var got = ""
        for _ in 0..<3000 {
            got = try await exchange("\(request) HTTP/1.1\r\nConnection: close\r\n\r\n")
            if got.hasPrefix("HTTP/1.1 \(status)") { break }
            try await Task.sleep(for: .milliseconds(10))
        }
        return got
    }

    /// Waits until more than so many bytes have gone through and nothing goes on: a busy machine makes pauses too, so
    /// nothing must have gone on for a second.
    /// - Returns: what went through.
    func stalled(beyond least: Int64) async throws -> Int64 {
        var (last, pauses): (Int64, Int) = (-1, 0)
        while pauses < 20 {
            try await Task.sleep(for: .milliseconds(50))
            let now = proxy.report.bytes
            pauses = now == last && now > least ? pauses + 1 : 0
            last = now
        }
        return last
    }

    /// Waits until as many records as that have been filed.
    func records(_ count: Int) async throws -> [EgressRecord] { try await records { $0.count >= count } }

    /// Waits until the records are as wanted.
    func records(_ areWanted: ([EgressRecord]) -> Bool) async throws -> [EgressRecord] {
        for _ in 0..<6000 where !areWanted(sink.records) { try await Task.sleep(for: .milliseconds(10)) }
        return sink.records
    }
}

extension EgressPolicy.Limits {
    static func with(_ change: (inout Self) -> Void) -> Self {
        var limits = Self()
        change(&limits)
        return limits
    }
}
