import CoreMetrics
import Foundation
import Hummingbird
import HummingbirdTesting
import Testing

@testable import API

/// What Prometheus itself makes of our text: Debian's package `prometheus`.
@Suite("Prometheus", .timeLimit(.minutes(3)))
struct PrometheusTests {
    /// One of each kind, with all that is in the catalogue.
    private static func filled() -> MetricRegistry {
        let registry = MetricRegistry()
        for metric in MetricCatalogue.all {
            let labels = [("call", "POST /containers/{id}/start"), ("odd", "a\"b\\c\nd")]
            switch metric.label.split(separator: ".").last {
            case "duration":
                let timer = Timer(label: metric.label, dimensions: labels, factory: registry)
                for power in 0..<10 { timer.recordNanoseconds(Int64(1) << (4 * power)) }
            case "depth", "seconds", "active", "followers", "used", "pending":
                Meter(label: metric.label, dimensions: labels, factory: registry).set(-1.5)
            default: Counter(label: metric.label, dimensions: labels, factory: registry).increment(by: 3)
            }
        }
        return registry
    }

    @Test("finds nothing to complain of: promtool check metrics")
    func promtool() async throws {
        let text = await MetricsEndpoint(Self.filled()).text()
        let (status, words) = try await Self.run("promtool", ["check", "metrics"], input: text)
        #expect(status == 0 && words.isEmpty, "\(words)")
        // It can complain.
        let (badStatus, _) = try await Self.run("promtool", ["check", "metrics"], input: "# TYPE a counter\na 1\n")
        #expect(badStatus != 0)
    }

    @Test("scrapes it, and answers questions about it")
    func scrape() async throws {
        let endpoint = MetricsEndpoint(Self.filled())
        let router = Router()
        router.get("/metrics") { _, _ in await endpoint.response() }
        let folder = "/tmp/paddock-prometheus-\(UInt64.random(in: 0...UInt64.max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await Application(router: router, configuration: .init(address: .hostname("127.0.0.1", port: 0)))
            .test(.live) { client in
                let port = try #require(client.port)
                try Data(
                    """
                    global: {scrape_interval: 2s}
                    scrape_configs: [{job_name: paddock, static_configs: [{targets: ["127.0.0.1:\(port)"]}]}]
                    """.utf8
                ).write(to: URL(filePath: folder + "/prometheus.yml"))
                let own = try Self.freePort()
                let prometheus = Process()
                prometheus.executableURL = URL(filePath: "/usr/bin/prometheus")
                prometheus.arguments = [
                    "--config.file=\(folder)/prometheus.yml", "--storage.tsdb.path=\(folder)/data",
                    "--web.listen-address=127.0.0.1:\(own)", "--log.level=error",
                ]
                prometheus.standardError = FileHandle.nullDevice
                try prometheus.run()
                defer {
                    prometheus.terminate()
                    prometheus.waitUntilExit()
                }
                func ask(_ query: String) async throws -> String {
                    try await Self.run(
                        "promtool", ["query", "instant", "http://127.0.0.1:\(own)", query], input: ""
                    ).words
                }
                let deadline = ContinuousClock.now + .seconds(60)
                while try await !ask("up").contains("=> 1 @") {
                    try #require(ContinuousClock.now < deadline, "Prometheus has not scraped in time")
                    try await Task.sleep(for: .milliseconds(200))
                }
                #expect(try await ask("paddock_http_requests_total").contains("=> 3 @"))
                #expect(try await ask("paddock_queue_depth").contains("=> -1.5 @"))
                let quantile = "histogram_quantile(0.5, paddock_engine_call_duration_seconds_bucket)"
                #expect(try await ask(quantile).contains("=> 0.001 @"))
                #expect(try await ask("process_resident_memory_bytes > 1000000").contains("=> "))
                #expect(try await ask("scrape_samples_scraped > 100").contains("=> "))
            }
    }

    private static func freePort() throws -> Int {
        let socket = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        return try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                try #require(bind(socket, generic, length) == 0 && getsockname(socket, generic, &length) == 0)
            }
            return Int(UInt16(bigEndian: pointer.pointee.sin_port))
        }
    }

    private static func run(
        _ name: String, _ arguments: [String], input: String
    ) async throws -> (status: Int32, words: String) {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/" + name)
        process.arguments = arguments
        let (stdin, output) = (Pipe(), Pipe())
        process.standardInput = stdin
        process.standardOutput = output
        process.standardError = output
        try process.run()
        return await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                try? stdin.fileHandleForWriting.write(contentsOf: Data(input.utf8))
                try? stdin.fileHandleForWriting.close()
                let data = output.fileHandleForReading.readDataToEndOfFile()
                process.waitUntilExit()
                continuation.resume(returning: (process.terminationStatus, String(decoding: data, as: UTF8.self)))
            }
        }
    }
}
