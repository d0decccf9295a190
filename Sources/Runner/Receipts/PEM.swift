import Foundation

/// The text form of keys; RFC 7468.
enum PEM {
    static func text(_ der: [UInt8], label: String) -> String {
        let encoded = Data(der).base64EncodedString()
        var lines = "-----BEGIN \(label)-----\n"
        var rest = encoded[...]
        while !rest.isEmpty {
            lines += rest.prefix(64) + "\n"
            rest = rest.dropFirst(64)
        }
        return lines + "-----END \(label)-----\n"
    }

    /// The contents of every block with this label, in order; text around them is no part of it. nil for a block that
    /// is damaged.
    static func blocks(in text: String, label: String) -> [[UInt8]?] {
        text.components(separatedBy: "-----BEGIN \(label)-----").dropFirst().map { part in
            guard let end = part.range(of: "-----END \(label)-----") else { return nil }
            let encoded = part[..<end.lowerBound].filter { !$0.isWhitespace }
            return Data(base64Encoded: String(encoded)).map { [UInt8]($0) }
        }
    }
}
