extension DecodingError {
    /// What is wrong and where, for the author of the document.
    var words: String { words(suchAs: [:]) }

    /// - Parameter examples: what may be written, by the place of what is of the wrong type.
    func words(suchAs examples: [String: String]) -> String {
        func path(_ context: Context, _ last: (any CodingKey)? = nil) -> String {
            (context.codingPath + [last].compactMap { $0 }).reduce("") { place, key in
                if let index = key.intValue { return "\(place)[\(index)]" }
                return place.isEmpty ? key.stringValue : "\(place).\(key.stringValue)"
            }
        }
        func mismatch(_ type: Any.Type, _ context: Context) -> String {
            let place = path(context)
            return "\(place): must be \(Self.name(type))\(examples[place].map { ", such as \($0)" } ?? "")"
        }
        switch self {
        case .keyNotFound(let key, let context): return "\(path(context, key)): is missing"
        case .typeMismatch(let type, let context): return mismatch(type, context)
        case .valueNotFound(let type, let context): return mismatch(type, context) + "; it is null"
        case .dataCorrupted(let context): return "\(path(context)): \(context.debugDescription)"
        @unknown default: return String(describing: self)
        }
    }

    /// A type as JSON and YAML call it.
    private static func name(_ type: Any.Type) -> String {
        switch type {
        case is String.Type: "a string"
        case is Bool.Type: "true or false"
        case is any BinaryInteger.Type: "a whole number"
        case is any BinaryFloatingPoint.Type: "a number"
        case is [Any].Type: "a list"
        case is [String: Any].Type: "an object"
        default: "\(type)"
        }
    }
}
