import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// What belongs to one request, beside the request itself.
struct APIContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// Echoed, or made.
    var requestID = ""
    /// The client's, or its proxy's.
    let peer: String

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        peer = source.channel.remoteAddress?.ipAddress ?? "local"
    }
}
