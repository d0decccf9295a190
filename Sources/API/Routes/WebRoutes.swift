import HTTPTypes
import Hummingbird
import NIOCore

/// The web page, the reference page, and the OpenAPI document that it is made from.
struct WebRoutes {
    var routes: [Route] { WebFile.all.sorted { $0.key < $1.key }.map(Self.route) }

    private static func route(_ path: String, _ file: WebFile) -> Route {
        .open(path) { call in
            let bytes = file.bytes
            let entityTag = WebFile.entityTag(of: bytes)
            var headers = HTTPFields()
            headers[.eTag] = entityTag
            // Kept by the browser, and asked for each time: a new version of the server is seen at once.
            headers[.cacheControl] = "no-cache"
            headers[.contentSecurityPolicy] = WebFile.contentSecurityPolicy
            if call.request.headers[.ifNoneMatch] == entityTag {
                return Response(status: .notModified, headers: headers)
            }
            headers[.contentType] = file.contentType
            return Response(
                status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
        }
    }
}
