import HTTPTypes
public import Hummingbird

/// What `GET /metrics` answers.
public struct MetricsEndpoint: Sendable {
    /// Brings gauges up to date that nobody sets in between, such as the queue's depth. It must end by itself.
    public typealias Collector = @Sendable () async -> Void

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
        for collect in collectors { await collect() }
        var process = PrometheusText()
        ProcessMetrics().write(to: &process)
        return registry.text() + process.description
    }
}
