import Hummingbird
import Runner

/// What whoever runs the server asks it.
struct HealthRoutes {
    let services: APIServices

    var routes: [Route] {
        [
            .open("/health") { _ in try .json(["status": "ok"]) },
            .open("/ready") { [readiness = services.readiness] _ in
                let report = await readiness.report()
                return try .json(report, status: report.isReady ? .ok : .serviceUnavailable)
            },
            .open("/metrics") { [metrics = services.metrics] _ in await metrics.response() },
        ]
    }
}
