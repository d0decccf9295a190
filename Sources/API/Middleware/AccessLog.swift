import HTTPTypes
import Hummingbird
import Logging
import NIOConcurrencyHelpers
import NIOCore

/// One line of the log for each request, once its answer is complete. The logger adds the request's id and its trace.
struct AccessLog: RouterMiddleware {
    typealias Context = APIContext

    func handle(
        _ request: Request, context: APIContext, next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        var response = try await next(request, context)
        let entry = Entry(request: request, context: context, status: response.status.code, start: start)
        if let length = response.body.contentLength {
            entry.write(bytes: length)
        } else {
            let body = response.body
            response.body = ResponseBody { writer in
                let counter = CountingWriter(writer)
                defer { entry.write(bytes: counter.count.value) }
                try await body.write(counter)
            }
        }
        return response
    }

    private struct Entry: Sendable {
        let request: Request
        let context: APIContext
        let status: Int
        let start: ContinuousClock.Instant

        func write(bytes: Int) {
            let (seconds, attoseconds) = (ContinuousClock.now - start).components
            let milliseconds = Double(seconds) * 1000 + Double(attoseconds / 1_000_000_000_000) / 1000
            // Without the query: it can hold a token.
            context.logger.info(
                "request",
                metadata: [
                    "http.method": "\(request.method.rawValue)",
                    "http.path": "\(request.uri.path.prefix(500))",
                    "http.route": "\(context.endpointPath ?? "")",
                    "http.status": .stringConvertible(status),
                    "http.bytes": .stringConvertible(bytes),
                    "duration_ms": .stringConvertible(milliseconds),
                    "peer": "\(context.peer)",
                ])
        }
    }
}

/// Counts the bytes of a streamed answer.
private struct CountingWriter: ResponseBodyWriter {
    /// Shared with whoever asks at the end.
    final class Count: Sendable {
        private let box = NIOLockedValueBox(0)
        var value: Int { box.withLockedValue { $0 } }
        func add(_ bytes: Int) { box.withLockedValue { $0 += bytes } }
    }

    let count = Count()
    private var writer: any ResponseBodyWriter

    init(_ writer: any ResponseBodyWriter) { self.writer = writer }

    @concurrent mutating func write(_ buffer: ByteBuffer) async throws {
        try await writer.write(buffer)
        count.add(buffer.readableBytes)
    }

    @concurrent consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
        try await writer.finish(trailingHeaders)
    }
}
