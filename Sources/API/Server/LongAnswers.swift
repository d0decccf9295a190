import Hummingbird
import NIOCore
import Runner

/// Answers requests for logs in a task that ends when the answer begins.
///
/// The task of a connection keeps the memory of its deepest call for as long as it lives, and one that follows a log
/// lives long: what is deep in a request, its middleware, credentials and database, would stay with each follower.
struct LongAnswers<Base: HTTPResponder<APIContext>>: HTTPResponder {
    typealias Context = APIContext

    let base: Base

    @concurrent
    func respond(to request: Request, context: APIContext) async throws -> Response {
        guard request.uri.path.hasSuffix("/logs") else { return try await base.respond(to: request, context: context) }
        return try await apart { try await base.respond(to: request, context: context) }
    }
}
