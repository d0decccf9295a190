import Hummingbird
import NIOCore

/// Turns whatever is thrown into a problem document.
struct Problems: RouterMiddleware {
    typealias Context = APIContext

    /// Finds which methods a path has.
    let table: RouteTable

    func handle(
        _ request: Request, context: APIContext, next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            let problem = problem(error, request, context)
            return Response(problem: problem)
        }
    }

    private func problem(_ error: any Error, _ request: Request, _ context: APIContext) -> Problem {
        if let error = error as? HTTPError, error.status == .notFound {
            let allowed = table.methods(at: request.uri.path)
            return allowed.isEmpty
                ? .notFound("route \(request.uri.path.prefix(200))")
                : .methodNotAllowed(request.method.rawValue, allowed: allowed)
        }
        if let error = error as? HTTPError, error.status.code < 500 {
            return Problem(
                status: error.status.code, code: "malformed_request", title: error.status.reasonPhrase,
                detail: error.body ?? error.status.reasonPhrase)
        }
        return Problem(logging: error, context)
    }
}

extension Response {
    init(problem: Problem) {
        var headers = problem.headers
        headers[.contentType] = Problem.contentType
        headers[.cacheControl] = "no-store"
        self.init(
            status: .init(code: problem.status), headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: problem.serialized)))
    }
}
