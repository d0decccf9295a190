/// What is known of a metric beside its values: what it means, and how its values are grouped.
///
/// Metrics are measured through swift-metrics, which has labels and values only. A metric that is not listed here is
/// written too, with its label in place of help.
struct MetricDescription: Sendable {
    /// As swift-metrics has it, such as `paddock.http.requests`.
    let label: String
    let help: String
    /// Upper bounds of a histogram's buckets, in its unit.
    let buckets: [Double]

    init(_ label: String, _ help: String, buckets: [Double] = MetricBuckets.short) {
        self.label = label
        self.help = help
        self.buckets = buckets
    }
}

/// Bounds of histograms, in seconds.
enum MetricBuckets {
    /// A call that should take milliseconds.
    static let short = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
    /// What may wait for minutes.
    static let long = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600]
}

enum MetricCatalogue {
    static let all: [MetricDescription] = [
        .init("paddock.http.requests", "Requests by method, route template and status."),
        .init("paddock.http.request.duration", "Time from a request's head to its answer's head."),
        .init("paddock.http.requests.active", "Requests that have no answer yet."),
        .init("paddock.executions.ended", "Executions that this node has ended, by status and reason."),
        .init("paddock.executions.active", "Executions that this node runs now."),
        .init(
            "paddock.execution.stage.duration", "Time that executions spent in each stage.",
            buckets: MetricBuckets.long),
        .init("paddock.pool.launches", "Launches in a sandbox that was prepared ahead (warm), and others (cold)."),
        .init("paddock.pool.size", "Sandboxes that are prepared and wait."),
        .init("paddock.pool.preparation.duration", "Time to prepare a sandbox ahead."),
        .init("paddock.pool.preparation.failures", "Sandboxes that could not be prepared ahead."),
        .init("paddock.pool.wasted", "Sandboxes that were prepared and never used, by cause."),
        .init("paddock.admissions", "Executions that were admitted."),
        .init("paddock.admission.denials", "Executions that were denied, by the rule that denied them."),
        .init("paddock.queue.depth", "Executions that wait in the queue; NaN while the database is away."),
        .init("paddock.queue.oldest.age.seconds", "How long the oldest of them has waited; 0 for an empty queue."),
        .init("paddock.log.bytes", "Bytes of logs that were stored by this node."),
        .init("paddock.log.followers", "Logs that are followed through this node now."),
        .init("paddock.engine.call.duration", "Time of calls to the Docker Engine up to the answer's head."),
        .init("paddock.engine.errors", "Calls to the Docker Engine that failed, by call and kind."),
        .init("paddock.database.acquire.duration", "Time that was waited for a connection to the database."),
        .init("paddock.database.connections.used", "Connections to the database that are in use."),
        .init("paddock.database.errors", "Statements and transactions that failed, by kind."),
        .init("paddock.database.retries", "Transactions that were tried again as others were in their way."),
        .init("paddock.webhook.attempts", "Attempts to deliver a webhook, by outcome."),
        .init("paddock.webhook.attempt.duration", "Time of attempts to deliver a webhook."),
        .init("paddock.webhooks.pending", "Webhooks that are still to be delivered; NaN while the database is away."),
    ]

    static let byLabel = Dictionary(uniqueKeysWithValues: all.map { ($0.label, $0) })
}
