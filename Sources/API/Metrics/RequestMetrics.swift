import HTTPTypes
public import Hummingbird
import Metrics
import NIOConcurrencyHelpers

/// Measures each request: by its route's template, never by its path.
public struct RequestMetrics<Context: RequestContext>: RouterMiddleware {
    private static var methods: Set<String> { ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] }

    private struct Kind: Hashable {
        let method: String
        let route: String
        let status: Int
    }

    private struct Series {
        let requests: Counter
        let duration: Timer
    }

    /// Of what was asked for so far: to find them in the registry costs more than the rest of this.
    private let series = NIOLockedValueBox<[Kind: Series]>([:])

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
        let kind = Kind(
            method: Self.methods.contains(method) ? method : "other",
            route: context.endpointPath.flatMap { $0.hasPrefix("/") ? $0 : nil } ?? "none", status: status)
        let series = series.withLockedValue { known in
            if let series = known[kind] { return series }
            let labels = [("method", kind.method), ("route", kind.route)]
            let series = Series(
                requests: Counter(label: "paddock.http.requests", dimensions: labels + [("status", "\(status)")]),
                duration: Timer(label: "paddock.http.request.duration", dimensions: labels))
            known[kind] = series
            return series
        }
        series.requests.increment()
        series.duration.record(duration: begin.duration(to: .now))
    }
}
