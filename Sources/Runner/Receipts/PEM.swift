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
        var blocks: [[UInt8]?] = []
        // Of a block that has begun and not ended.
        var open: String?
        for line in text.split(whereSeparator: \.isNewline) {
            switch (line, open) {
            case ("-----BEGIN \(label)-----", _):
                if open != nil { blocks.append(nil) }
                open = ""
            case ("-----END \(label)-----", let encoded?):
                blocks.append(Data(base64Encoded: encoded).map { [UInt8]($0) })
                open = nil
            case (_, let encoded?): open = encoded + line
            default: break
            }
        }
        if open != nil { blocks.append(nil) }
        return blocks
    }
}
