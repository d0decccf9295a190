import HTTPTypes
import Hummingbird

/// What keeps a browser from doing more with an answer than it should.
struct SecurityHeaders: RouterMiddleware {
    typealias Context = APIContext

    let isTLS: Bool

    /// For documents that are no pages: nothing of theirs is ever run or shown in a frame.
    private static let nothing = "default-src 'none'; frame-ancestors 'none'"

    func handle(
        _ request: Request, context: APIContext, next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        var response = try await next(request, context)
        response.headers[.xContentTypeOptions] = "nosniff"
        response.headers[.referrerPolicy] = "no-referrer"
        response.headers[.crossOriginResourcePolicy] = "same-origin"
        if response.headers[.contentSecurityPolicy] == nil {
            response.headers[.contentSecurityPolicy] = Self.nothing
        }
        if response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "no-store" }
        if isTLS { response.headers[.strictTransportSecurity] = "max-age=31536000" }
        return response
    }
}
