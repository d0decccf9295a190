extension DecodingError {
    /// What is wrong and where, for the author of the document.
    var words: String {
        func path(_ context: Context, _ last: (any CodingKey)? = nil) -> String {
            (context.codingPath + [last].compactMap { $0 }).map { key in
                key.intValue.map { "[\($0)]" } ?? key.stringValue
            }.joined(separator: ".")
        }
        switch self {
        case .keyNotFound(let key, let context): return "\(path(context, key)): is missing"
        case .typeMismatch(let type, let context): return "\(path(context)): must be \(type)"
        case .valueNotFound(let type, let context): return "\(path(context)): must be \(type), is null"
        case .dataCorrupted(let context): return "\(path(context)): \(context.debugDescription)"
        @unknown default: return String(describing: self)
        }
    }
}
