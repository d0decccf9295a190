import HTTPTypes
import Hummingbird

/// Lets pages of the configured origins call the API. Without any, nothing is said and browsers refuse.
struct CrossOrigin: RouterMiddleware {
    typealias Context = APIContext

    private static let methods = "GET, HEAD, POST, PUT, DELETE"
    private static let requestHeaders =
        "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Request-ID, traceparent"
    private static let exposed = "Location, Retry-After, RateLimit, RateLimit-Policy, X-Request-ID"

    /// `*` for all of them. Credentials are never cookies, so that no page has more rights than it is given.
    let origins: [String]

    func handle(
        _ request: Request, context: APIContext, next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        guard let origin = request.headers[.origin], origins.contains("*") || origins.contains(origin) else {
            return try await next(request, context)
        }
        let isPreflight = request.method == .options && request.headers[.accessControlRequestMethod] != nil
        var response = isPreflight ? Response(status: .noContent) : try await next(request, context)
        response.headers[.accessControlAllowOrigin] = origins.contains("*") ? "*" : origin
        response.headers[.vary] = "Origin"
        response.headers[.crossOriginResourcePolicy] = "cross-origin"
        if isPreflight {
            response.headers[.accessControlAllowMethods] = Self.methods
            response.headers[.accessControlAllowHeaders] = Self.requestHeaders
            response.headers[.accessControlMaxAge] = "600"
        } else {
            response.headers[.accessControlExposeHeaders] = Self.exposed
        }
        return response
    }
}
