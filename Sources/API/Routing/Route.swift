import HTTPTypes
import Hummingbird

/// One route of the HTTP API: what it is called by, who may call it, and what it does.
struct Route: Sendable {
    typealias Handler = @Sendable (Call) async throws -> Response

    /// Where a route is found.
    enum Place: Sendable {
        /// Under `/api/v1` and `/api`.
        case api
        /// At the root.
        case root
    }

    let method: HTTPRequest.Method
    /// With its parameters in braces: `/executions/{id}`.
    let template: String
    let place: Place
    let access: RouteAccess
    let handler: Handler

    /// The paths that it is served under.
    var paths: [String] {
        switch place {
        case .api: ["/api/v1" + template, "/api" + template]
        case .root: [template]
        }
    }

    static func get(_ template: String, _ access: RouteAccess, _ handler: @escaping Handler) -> Route {
        Route(method: .get, template: template, place: .api, access: access, handler: handler)
    }

    static func post(_ template: String, _ access: RouteAccess, _ handler: @escaping Handler) -> Route {
        Route(method: .post, template: template, place: .api, access: access, handler: handler)
    }

    static func put(_ template: String, _ access: RouteAccess, _ handler: @escaping Handler) -> Route {
        Route(method: .put, template: template, place: .api, access: access, handler: handler)
    }

    static func delete(_ template: String, _ access: RouteAccess, _ handler: @escaping Handler) -> Route {
        Route(method: .delete, template: template, place: .api, access: access, handler: handler)
    }

    /// One at the root, which anybody may call and which counts for no limit.
    static func open(_ template: String, _ handler: @escaping Handler) -> Route {
        Route(method: .get, template: template, place: .root, access: .open, handler: handler)
    }
}

/// Who may call a route. What of it they may see or change is the handler's matter: what another user owns is not there.
enum RouteAccess: Sendable, Equatable {
    /// Anybody; without credentials, and without counting for the limit of requests.
    case open
    /// Whoever has credentials, which must hold the scope.
    case user(Scope)
    /// As `user`, to see executions; or with a token of this one log.
    case log
    /// Developers and administrators.
    case developer(Scope)
    /// Administrators.
    case admin
}

/// What a credential may be used for. A key can be limited to some; a JWT has all of its user's.
enum Scope: String, Sendable, CaseIterable {
    /// To see executions, their logs and receipts.
    case executionsRead = "executions:read"
    /// To submit and cancel executions.
    case executionsWrite = "executions:write"
    case agentsRead = "agents:read"
    case agentsWrite = "agents:write"
    /// The caller's own profile, keys and access.
    case account
    /// What only administrators may do.
    case admin
}
