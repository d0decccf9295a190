import Foundation

/// A static program of ours that runs inside sandboxes, carried in this one.
struct EmbeddedProgram: Sendable {
    /// Keeps the programs of different versions apart.
    let digest: String
    /// Bytes.
    let size: Int
    let base64: StaticString

    /// nil when the constant is damaged.
    var bytes: [UInt8]? { Data(base64Encoded: base64.description).map { [UInt8]($0) } }
}
