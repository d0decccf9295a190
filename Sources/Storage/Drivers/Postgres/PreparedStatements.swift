/// Which statements of a connection are prepared: those that come a second time. They are parsed once, and planned anew
/// only while that gives better plans than one for all values.
struct PreparedStatements {
    private struct Known {
        let types: [SQLType]
        /// nil while it has come only once.
        var name: String?
    }

    enum Choice {
        /// It is sent as it is.
        case plain
        /// It is to be prepared under this name, and then used.
        case prepare(String)
        case prepared(String)
    }

    /// Enough for all that we say; text made of many rows is not worth a plan.
    private static let most = 200
    private static let longest = 4000

    private var known: [String: Known] = [:]
    private var named = 0

    mutating func choose(_ text: String, _ binds: [Statement.Bind]) -> Choice {
        // What has no values is a command, or seldom said.
        guard !binds.isEmpty, text.utf8.count < Self.longest else { return .plain }
        let types = binds.map(\.type)
        guard let seen = known[text] else {
            // Lists of this and that length come once, and would fill it.
            if known.count >= Self.most { known = known.filter { $0.value.name != nil } }
            if known.count < Self.most { known[text] = Known(types: types) }
            return .plain
        }
        guard seen.types == types else { return .plain }
        if let name = seen.name { return .prepared(name) }
        named += 1
        return .prepare("paddock_\(named)")
    }

    mutating func remember(_ text: String, _ binds: [Statement.Bind], as name: String) {
        known[text] = Known(types: binds.map(\.type), name: name)
    }
}
