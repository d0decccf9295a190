import HTTPTypes
import Hummingbird

/// Lets a request through to a route's handler: who calls, how often, and whether they may.
struct RouteGuard: Sendable {
    let services: APIServices
    let configuration: ServerConfiguration

    func pass(_ request: Request, _ context: APIContext, to route: Route) async throws -> Response {
        let call = Call(request: request, context: context, identity: nil, maxBodyBytes: configuration.maxBodyBytes)
        return try await route.handler(call)
    }
}
