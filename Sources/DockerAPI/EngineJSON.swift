#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// JSON as the Engine writes it: keys begin with a capital.
enum EngineJSON {
    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .custom { path in
            let key = path.last?.stringValue ?? ""
            return Key(stringValue: key.prefix(1).uppercased() + key.dropFirst())
        }
        return [UInt8](try encoder.encode(value))
    }

    /// With keys as they are: labels, filters, registry credentials.
    static func encodePlain(_ value: [String: some Encodable]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    static func decode<Value: Decodable>(_ bytes: [UInt8], operation: String) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .custom { path in
            let key = path.last?.stringValue ?? ""
            return Key(stringValue: key.prefix(1).lowercased() + key.dropFirst())
        }
        do {
            return try decoder.decode(Value.self, from: Data(bytes))
        } catch {
            throw DockerError(
                .malformedResponse, "the answer is not the JSON that the API describes: \(error)", operation: operation)
        }
    }
}
