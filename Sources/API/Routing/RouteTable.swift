import HTTPTypes
import Hummingbird

/// Every route of the server.
struct RouteTable: Sendable {
    let routes: [Route]

    /// The methods that a path has; none for a path that is not there.
    func methods(at path: String) -> [String] {
        let segments = path.split(separator: "/")
        var methods: Set<String> = []
        for route in routes where route.paths.contains(where: { Self.matches($0, segments) }) {
            methods.insert(route.method.rawValue)
            if route.method == .get { methods.insert("HEAD") }
        }
        return methods.sorted()
    }

    private static func matches(_ template: String, _ segments: [Substring]) -> Bool {
        let parts = template.split(separator: "/")
        return parts.count == segments.count
            && zip(parts, segments).allSatisfy { part, segment in part.hasPrefix("{") || part == segment }
    }

    /// - Parameter guardian: lets a request through to a route's handler, or not.
    func router(_ guardian: RouteGuard, _ configuration: ServerConfiguration) -> Router<APIContext> {
        let router = Router(context: APIContext.self, options: [.autoGenerateHeadEndpoints])
        router.add(middleware: RequestIDs())
        router.add(middleware: RequestMetrics<APIContext>())
        if configuration.logsRequests { router.add(middleware: AccessLog()) }
        router.add(middleware: SecurityHeaders(isTLS: configuration.tls != nil))
        if !configuration.corsOrigins.isEmpty {
            router.add(middleware: CrossOrigin(origins: configuration.corsOrigins))
        }
        router.add(middleware: Problems(table: self))
        for route in routes {
            for path in route.paths {
                router.on(RouterPath(path), method: route.method) { request, context in
                    try await guardian.pass(request, context, to: route)
                }
            }
        }
        return router
    }
}
