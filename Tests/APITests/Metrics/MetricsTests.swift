import CoreMetrics
import DatabaseFixtures
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Testing

@testable import API

@Suite("Metrics")
struct MetricsTests {
    @Test("count, hold and group values, and are read back by a strict reader")
    func values() throws {
        let registry = MetricRegistry()
        let counter = Counter(
            label: "paddock.http.requests", dimensions: [("route", "/a/{id}"), ("method", "GET")], factory: registry)
        counter.increment(by: 2)
        counter.increment()
        Meter(label: "paddock.queue.depth", factory: registry).set(7)
        Meter(label: "paddock.log.followers", factory: registry).increment(by: 3)
        Meter(label: "paddock.log.followers", factory: registry).decrement()
        let timer = Timer(label: "paddock.http.request.duration", factory: registry)
        timer.recordMilliseconds(3)
        timer.recordSeconds(60)
        let read = try PrometheusReader(registry.text())
        #expect(read.value("paddock_http_requests_total", ["route": "/a/{id}", "method": "GET"]) == 3)
        #expect(read.value("paddock_queue_depth") == 7)
        #expect(read.value("paddock_log_followers") == 2)
        let name = "paddock_http_request_duration_seconds"
        #expect(read.value(name + "_bucket", ["le": "0.0025"]) == 0)
        #expect(read.value(name + "_bucket", ["le": "0.005"]) == 1)
        #expect(read.value(name + "_bucket", ["le": "10"]) == 1)
        #expect(read.value(name + "_bucket", ["le": "+Inf"]) == 2)
        #expect(read.value(name + "_sum") == 60.003)
        #expect(read.families["paddock_queue_depth"]?.type == "gauge")
        #expect(read.families["paddock_queue_depth"]?.help?.hasPrefix("Executions that wait") == true)
    }

    @Test("take any text as a label's value")
    func escapes() throws {
        let registry = MetricRegistry()
        let odd = "a\"b\\c\nd é {},= \\n"
        Counter(label: "odd-name.x", dimensions: [("la.bel", odd)], factory: registry).increment()
        let read = try PrometheusReader(registry.text())
        #expect(read.value("odd_name_x_total", ["la_bel": odd]) == 1)
    }

    @Test("keep the number of series bounded")
    func bounded() throws {
        let registry = MetricRegistry()
        for number in 0..<(MetricRegistry.seriesLimit + 500) {
            Counter(label: "many", dimensions: [("number", "\(number)")], factory: registry).increment()
        }
        let samples = try #require(try PrometheusReader(registry.text()).families["many_total"]?.samples)
        #expect(samples.count == MetricRegistry.seriesLimit + 1)
        #expect(samples.reduce(0) { $0 + $1.value } == Double(MetricRegistry.seriesLimit + 500))
        #expect(samples.first { $0.labels == ["number": "other"] }?.value == 500)
    }

    @Test("lose no count when many tasks count at once", .timeLimit(.minutes(5)))
    func together() async throws {
        let registry = MetricRegistry()
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    for _ in 0..<10_000 {
                        Counter(label: "n", dimensions: [("odd", "\(task % 2)")], factory: registry).increment()
                    }
                }
            }
        }
        let read = try PrometheusReader(registry.text())
        #expect(read.value("n_total", ["odd": "0"]) == 40_000)
        #expect(read.value("n_total", ["odd": "1"]) == 40_000)
    }

    @Test("of one name and two kinds stay the first kind")
    func kinds() throws {
        let registry = MetricRegistry()
        Meter(label: "same", factory: registry).set(1)
        Recorder(label: "same", aggregate: true, factory: registry).record(5)
        let read = try PrometheusReader(registry.text())
        #expect(read.families["same"]?.type == "gauge")
        #expect(read.value("same") == 1)
    }

    @Test("of the process are true", .timeLimit(.minutes(5)))
    func process() async throws {
        let read = try PrometheusReader(await MetricsEndpoint(MetricRegistry()).text())
        #expect(try #require(read.value("process_resident_memory_bytes")) > 1_000_000)
        #expect(try #require(read.value("process_threads")) >= 1)
        #expect(try #require(read.value("process_cpu_seconds_total")) > 0)
        let age = Date().timeIntervalSince1970 - (try #require(read.value("process_start_time_seconds")))
        #expect(age > -2 && age < 86_400)
        // Other tests open and close theirs meanwhile.
        try await eventually {
            let before = try PrometheusReader(await MetricsEndpoint(MetricRegistry()).text())
            let pipes = (0..<50).map { _ in Pipe() }
            let after = try PrometheusReader(await MetricsEndpoint(MetricRegistry()).text())
            defer { withExtendedLifetime(pipes) {} }
            return try #require(after.value("process_open_fds")) >= #require(before.value("process_open_fds")) + 50
        }
    }

    @Test("come in time, however long something takes to be measured", .timeLimit(.minutes(5)))
    func collectors() async throws {
        let registry = MetricRegistry()
        let endpoint = MetricsEndpoint(
            registry,
            collectors: [
                { Meter(label: "quick", factory: registry).set(5) }, { try? await Task.sleep(for: .seconds(600)) },
            ])
        #expect(try PrometheusReader(await endpoint.text()).value("quick") == 5)
    }

    @Test("of requests name the route's template and the status, and never the path", .timeLimit(.minutes(5)))
    func requests() async throws {
        let router = Router()
        // First: what is measured goes where it does when the middleware is made.
        let endpoint = MetricsEndpoint(GlobalMetrics.registry)
        router.add(middleware: RequestMetrics<BasicRequestContext>())
        router.get("/metrics") { _, _ in await endpoint.response() }
        router.get("/things/{id}") { _, context -> String in
            guard context.parameters.get("id") != "none" else { throw HTTPError(.notFound) }
            return "here"
        }
        struct Odd: Error {}
        router.get("/odd") { _, _ -> String in throw Odd() }
        try await Application(router: router).test(.router) { client in
            for path in ["/things/1", "/things/2", "/things/none", "/odd", "/nowhere/at/all"] {
                _ = try await client.executeRequest(uri: path, method: .get, headers: [:], body: nil)
            }
            let answer = try await client.executeRequest(uri: "/metrics", method: .get, headers: [:], body: nil)
            #expect(answer.headers[.contentType] == "text/plain; version=0.0.4; charset=utf-8")
            let read = try PrometheusReader(String(buffer: answer.body))
            let name = "paddock_http_requests_total"
            func count(_ route: String, _ status: String) -> Double? {
                read.value(name, ["method": "GET", "route": route, "status": status])
            }
            #expect(count("/things/{id}", "200") == 2)
            #expect(count("/things/{id}", "404") == 1)
            #expect(count("/odd", "500") == 1)
            #expect(count("none", "404") == 1)
            #expect(read.value("paddock_http_requests_active") == 1)
            #expect(!String(buffer: answer.body).contains("nowhere"))
        }
    }

    /// The list of docs/metrics.md is the catalogue.
    @Test("are all in the documentation")
    func documented() throws {
        let page = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../docs/metrics.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        for metric in MetricCatalogue.all {
            let name = PrometheusText.metricName(metric.label)
            #expect(text.contains("`\(name)"), "docs/metrics.md lacks \(name)")
        }
    }
}

/// swift-metrics takes one backend for the process.
enum GlobalMetrics {
    static let registry: MetricRegistry = {
        let registry = MetricRegistry()
        MetricsSystem.bootstrap(registry)
        return registry
    }()
}
