import ArgumentParser
import Foundation
import Glibc
import Runner

/// How data is printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table, json
}

/// Data on stdout.
enum Output {
    /// - Throws: ``Failure`` when it cannot be written, as to a full disk.
    static func write(_ bytes: [UInt8]) throws {
        if let errno = StandardStreams.write(bytes[...], to: STDOUT_FILENO), errno != EPIPE {
            throw Failure("the result could not be written to stdout: \(String(cString: strerror(errno)))")
        }
    }

    static func write(_ text: String) throws { try write(Array(text.utf8)) }

    static func json(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(date.rfc3339)
        }
        try write([UInt8](try encoder.encode(value)) + [UInt8(ascii: "\n")])
    }
}
