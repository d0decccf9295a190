import HTTPTypes
public import Hummingbird

/// What `GET /metrics` answers.
public struct MetricsEndpoint: Sendable {
    /// Brings gauges up to date that nobody sets in between, such as the queue's depth. It ends when it is cancelled.
    public typealias Collector = @Sendable () async -> Void

    /// For all collectors: Prometheus itself waits for 10 s.
    private static let limit: Duration = .seconds(3)

    private let registry: MetricRegistry
    private let collectors: [Collector]

    public init(_ registry: MetricRegistry, collectors: [Collector] = []) {
        self.registry = registry
        self.collectors = collectors
    }

    public func response() async -> Response {
        let text = await text()
        return Response(
            status: .ok, headers: [.contentType: PrometheusText.contentType, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    func text() async -> String {
        await collect()
        var process = PrometheusText()
        ProcessMetrics().write(to: &process)
        return registry.text() + process.description
    }

    private func collect() async {
        await withTaskGroup(of: Bool.self) { group in
            for collector in collectors {
                group.addTask {
                    await collector()
                    return false
                }
            }
            group.addTask { (try? await Task.sleep(for: Self.limit)) != nil }
            var left = collectors.count
            while left > 0, await group.next() == false { left -= 1 }
            group.cancelAll()
        }
    }
}
