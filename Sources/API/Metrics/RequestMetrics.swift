import HTTPTypes
public import Hummingbird
import Metrics

/// Measures each request: by its route's template, never by its path.
public struct RequestMetrics<Context: RequestContext>: RouterMiddleware {
    private static var methods: Set<String> { ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] }

    public init() {}

    @concurrent
    public func handle(
        _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        let active = Meter(label: "paddock.http.requests.active")
        active.increment()
        defer { active.decrement() }
        let begin = ContinuousClock.now
        do {
            let response = try await next(request, context)
            record(request, context, response.status.code, since: begin)
            return response
        } catch {
            record(request, context, (error as? any HTTPResponseError)?.status.code ?? 500, since: begin)
            throw error
        }
    }

    private func record(_ request: Request, _ context: Context, _ status: Int, since begin: ContinuousClock.Instant) {
        let method = request.method.rawValue
        let labels = [
            ("method", Self.methods.contains(method) ? method : "other"),
            ("route", context.endpointPath.flatMap { $0.hasPrefix("/") ? $0 : nil } ?? "none"),
        ]
        Counter(label: "paddock.http.requests", dimensions: labels + [("status", "\(status)")]).increment()
        Timer(label: "paddock.http.request.duration", dimensions: labels).record(duration: begin.duration(to: .now))
    }
}
