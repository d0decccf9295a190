import Crypto
import Foundation

/// A file of the web page, or the OpenAPI document, as it is served.
struct WebFile: Sendable {
    let contentType: String
    private let base64: String

    /// Of every page: scripts, styles and images of this server, and its API. Nothing inline, nothing from elsewhere, in
    /// nobody's frame.
    static let contentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    /// Every file by the path that it is served at: `/`, `/docs`, `/openapi.yaml`, and the others below `/web/`.
    static let all: [String: WebFile] = Dictionary(
        uniqueKeysWithValues: embeddedFiles.map { (servedPath($0.path), WebFile($0.path, base64: $0.base64)) })

    private init(_ path: String, base64: String) {
        contentType = Self.contentType(path)
        self.base64 = base64
    }

    /// Decoded each time: a server that nobody looks at with a browser has none of it in memory.
    var bytes: [UInt8] { Data(base64Encoded: base64).map { [UInt8]($0) } ?? [] }

    /// Strong: a hash of the bytes, in quotes.
    static func entityTag(of bytes: [UInt8]) -> String {
        "\"" + Data(SHA256.hash(data: bytes)).base64EncodedString().prefix(22) + "\""
    }

    private static func servedPath(_ path: String) -> String {
        switch path {
        case "index.html": "/"
        case "docs.html": "/docs"
        case "openapi.yaml": "/openapi.yaml"
        default: "/web/" + path
        }
    }

    private static func contentType(_ path: String) -> String {
        switch path.split(separator: ".").last {
        case "html": "text/html; charset=utf-8"
        case "css": "text/css; charset=utf-8"
        case "js": "text/javascript; charset=utf-8"
        case "svg": "image/svg+xml"
        case "yaml": "application/yaml"
        default: "application/octet-stream"
        }
    }
}
