import Entitlements
import Foundation
import Glibc
import HTTPTypes
import Hummingbird
import Runner
import Storage

/// Lets a request through to a route's handler: who calls, how often, and whether they may.
struct RouteGuard: Sendable {
    private static let window = 15 * 60

    private let authenticator: Authenticator
    private let logTokens: LogTokenService
    private let limiter: RequestLimiter
    private let configuration: ServerConfiguration

    init(services: APIServices, configuration: ServerConfiguration) {
        authenticator = services.authenticator
        logTokens = services.logTokens
        limiter = RequestLimiter(limit: configuration.requestLimit, window: Double(Self.window))
        self.configuration = configuration
    }

    func pass(_ request: Request, _ context: APIContext, to route: Route) async throws -> Response {
        func call(_ identity: Caller?) -> Call {
            Call(request: request, context: context, identity: identity, maxBodyBytes: configuration.maxBodyBytes)
        }
        if case .open = route.access { return try await route.handler(call(nil)) }
        let address = "address:\(Self.network(of: peer(request, context)))"
        // Guessing is limited, and whoever has shown good credentials lately is not who guesses.
        if let refusal = limiter.refusal(of: address), !authenticator.knows(request.headers[.authorization]),
            !Self.hasLogToken(request, route)
        {
            throw Self.tooMany(refusal)
        }
        let caller: Caller
        do {
            caller = try await identify(request, call(nil), route)
        } catch let problem as Problem where problem.status == 401 {
            _ = try admit(address, limit: nil)
            throw problem
        }
        let verdict = try admit(caller.limitKey, limit: caller.requestLimit)
        var response: Response
        do {
            try authorize(caller, for: route)
            response = try await route.handler(call(caller))
        } catch {
            response = Response(problem: Problem(logging: error, context))
        }
        announce(verdict, in: &response)
        return response
    }

    // MARK: Who

    /// A browser that follows a log has nothing else to show.
    private static func hasLogToken(_ request: Request, _ route: Route) -> Bool {
        guard case .log = route.access else { return false }
        return request.uri.queryParameters.get("token") != nil
    }

    private func identify(_ request: Request, _ call: Call, _ route: Route) async throws -> Caller {
        guard case .log = route.access, let token = try call.query("token") else {
            return try await authenticator.caller(request.headers[.authorization])
        }
        guard let right = try await logTokens.right(token), try right.executionID == call.parameter("id") else {
            throw Problem.unauthenticated("the log token is not for this log, or has expired: make another one")
        }
        return Caller(
            userID: right.userID, role: .user, scopes: [.executionsRead], limitKey: "log:\(right.userID)",
            requestLimit: nil, onlyLogOf: right.executionID)
    }

    private func authorize(_ caller: Caller, for route: Route) throws {
        func need(_ scope: Scope) throws {
            guard caller.scopes.contains(scope) else {
                throw Problem.forbidden("this key is not for \(scope.rawValue)")
            }
        }
        switch route.access {
        case .open: break
        case .user(let scope): try need(scope)
        case .log: try need(.executionsRead)
        case .developer(let scope):
            guard caller.role != .user else { throw Problem.forbidden("this is for developers and administrators") }
            try need(scope)
        case .admin:
            guard caller.role == .admin else { throw Problem.forbidden("this is for administrators") }
            try need(.admin)
        }
    }

    /// The client's address: what the nearest proxy of ours says, where there is one.
    private func peer(_ request: Request, _ context: APIContext) -> String {
        guard configuration.trustedProxies.contains(context.peer), let chain = request.headers[.xForwardedFor]
        else { return context.peer }
        let hops = chain.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        return hops.last { !configuration.trustedProxies.contains($0) } ?? context.peer
    }

    /// Of IPv6 the /64, which is what one client has at least; other addresses as they are.
    private static func network(of address: String) -> String {
        var parsed = in6_addr()
        guard inet_pton(AF_INET6, address, &parsed) == 1 else { return address }
        let bytes = withUnsafeBytes(of: parsed) { Array($0) }
        // IPv4 in IPv6's clothes: RFC 4291, §2.5.5.2.
        let isMapped = bytes.prefix(10).allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
        return isMapped ? address : bytes.prefix(8).map { String($0, radix: 16) }.joined(separator: ".") + "/64"
    }

    // MARK: How often

    private func admit(_ subject: String, limit: Int?) throws -> RequestLimiter.Verdict {
        let verdict = limiter.admit(subject, limit: limit)
        guard verdict.isAllowed else { throw Self.tooMany(verdict) }
        return verdict
    }

    private static func tooMany(_ verdict: RequestLimiter.Verdict) -> Problem {
        var problem = Problem(
            status: 429, code: "rate_limited", title: "Too many requests",
            detail: "\(verdict.limit) requests in 15 minutes are made: wait, or follow a log instead of asking for it")
        problem.limit = verdict.limit
        problem.used = verdict.limit
        problem.resetAt = verdict.resetAt
        problem.headers[.retryAfter] = String(Problem.seconds(until: verdict.resetAt))
        problem.headers[.rateLimit] = rateLimit(verdict)
        problem.headers[.rateLimitPolicy] = policy(verdict)
        return problem
    }

    private func announce(_ verdict: RequestLimiter.Verdict, in response: inout Response) {
        guard verdict.limit > 0 else { return }
        for (name, value) in [
            (HTTPField.Name.rateLimit, Self.rateLimit(verdict)), (.rateLimitPolicy, Self.policy(verdict)),
        ] {
            response.headers[name] = response.headers[name].map { "\(value), \($0)" } ?? value
        }
    }

    private static func rateLimit(_ verdict: RequestLimiter.Verdict) -> String {
        #""requests";r=\#(verdict.remaining);t=\#(Problem.seconds(until: verdict.resetAt))"#
    }

    private static func policy(_ verdict: RequestLimiter.Verdict) -> String {
        #""requests";q=\#(verdict.limit);w=\#(window)"#
    }
}
