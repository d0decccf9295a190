import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Runner

/// What belongs to one request, beside the request itself.
struct APIContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// Echoed, or made.
    var requestID = ""
    /// That the client says it is a part of; nil for none, or one that is malformed.
    var trace: TraceContext?
    /// The client's, or its proxy's.
    let peer: String

    private let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
        peer = source.channel.remoteAddress?.ipAddress ?? "local"
    }

    /// Calls the body once the connection is closed.
    func onClose(_ body: @escaping @Sendable () -> Void) { channel.closeFuture.whenComplete { _ in body() } }

    /// Calls the body when the client closes its side before the answer is complete.
    func onLeave(_ body: @escaping @Sendable () -> Void) {
        let channel = channel
        channel.eventLoop.execute {
            guard let deadlines = try? channel.pipeline.syncOperations.handler(type: ConnectionDeadlines.self) else {
                // The connection is gone already.
                return body()
            }
            deadlines.onLeave(body)
        }
    }
}
