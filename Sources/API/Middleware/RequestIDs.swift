import HTTPTypes
import Hummingbird
import Logging
import Runner

/// Gives each request an id: the client's own where it is sane, else a new one. It is in the answer and in every line of
/// the log about the request, as is the trace that the client says it is a part of (`traceparent`).
struct RequestIDs: RouterMiddleware {
    typealias Context = APIContext

    func handle(
        _ request: Request, context: APIContext, next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        context.requestID = request.headers[.xRequestID].flatMap(Self.sane) ?? Self.make()
        context.logger[metadataKey: "request.id"] = "\(context.requestID)"
        context.trace = request.headers[.traceparent].flatMap { TraceContext($0) }
        if let trace = context.trace { context.logger[metadataKey: TraceContext.label] = "\(trace.traceID)" }
        var response = try await next(request, context)
        response.headers[.xRequestID] = context.requestID
        return response
    }

    /// Ids of other systems: what could be of use to break a line of a log is none.
    static func sane(_ text: String) -> String? {
        let isSane =
            (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
                    UInt8(ascii: ":"), UInt8(ascii: "/"), UInt8(ascii: "+"), UInt8(ascii: "="):
                    true
                default: false
                }
            }
        return isSane ? text : nil
    }

    static func make() -> String {
        let random = UInt128.random(in: 0...UInt128.max)
        let digits = String(random, radix: 32)
        return "req_" + String(repeating: "0", count: 26 - digits.count) + digits
    }
}
