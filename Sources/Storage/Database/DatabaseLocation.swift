/// Where the database is. Its description holds no password.
///
/// Configuration keys: `DATABASE_URL`.
public struct DatabaseLocation: Sendable, CustomStringConvertible {
    enum Kind: Sendable {
        case sqlite(path: String)
        case postgres(PostgresURL)
    }

    let kind: Kind

    /// - Parameters:
    ///   - url: `postgresql://…` or `postgres://…`, as libpq takes them; `sqlite:PATH`; nil or empty for the file
    ///     `paddock.sqlite` in the state folder.
    ///   - stateFolder: is there already.
    /// - Throws: ``DatabaseError`` with code `invalid_database_url`.
    public init(url: String?, stateFolder: String) throws {
        guard let url, !url.isEmpty else {
            kind = .sqlite(path: stateFolder + "/paddock.sqlite")
            return
        }
        if url.hasPrefix("postgresql://") || url.hasPrefix("postgres://") {
            kind = .postgres(try PostgresURL(url))
        } else if url.hasPrefix("sqlite:") {
            kind = .sqlite(path: try Self.path(ofSQLite: String(url.dropFirst("sqlite:".count))))
        } else {
            // The value itself may hold a password.
            throw DatabaseError(
                .invalidURL,
                "DATABASE_URL starts with none of postgresql://, postgres:// and sqlite:. "
                    + "Set it to one of them, or unset it for a file in the state folder")
        }
    }

    private static func path(ofSQLite rest: String) throws -> String {
        // Three slashes, as other programs write it, are an absolute path; two would be a host.
        let path = rest.hasPrefix("///") ? String(rest.dropFirst(2)) : rest
        guard !path.isEmpty, !path.hasPrefix("//"), path != ":memory:", !path.hasPrefix("file:") else {
            throw DatabaseError(
                .invalidURL, "DATABASE_URL is sqlite:\(rest), which names no file: write sqlite:/PATH/TO/FILE")
        }
        return path
    }

    public var description: String {
        switch kind {
        case .sqlite(let path): "sqlite:\(path)"
        case .postgres(let url): url.description
        }
    }
}
