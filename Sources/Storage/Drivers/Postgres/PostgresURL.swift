/// A `postgresql://` URL, as libpq takes it. Its description holds no password.
struct PostgresURL: Sendable, CustomStringConvertible {
    /// With the password: for libpq only.
    let secret: String
    /// Where the database is, without the user.
    let description: String

    /// - Throws: ``DatabaseError`` with code `invalid_database_url`. libpq's own words may quote the password, and are
    ///   left out.
    init(_ url: String) throws {
        guard !url.utf8.contains(0), Self.hasOneUserInfo(url), let parameters = PostgresConnection.parse(url) else {
            throw DatabaseError(
                .invalidURL,
                "DATABASE_URL is no URL that PostgreSQL's library takes. It is postgresql://USER:PASSWORD@HOST:PORT/DATABASE, "
                    + "then ?KEYWORD=VALUE with libpq's keywords, such as sslmode. Write @ as %40, / as %2F, : as %3A and "
                    + "% as %25 in a name or password")
        }
        let ports = (parameters["port"] ?? "").split(separator: ",")
        guard ports.allSatisfy({ UInt16($0) != nil }) else {
            throw DatabaseError(
                .invalidURL,
                "DATABASE_URL has a port that is no number from 0 to 65535. A password goes before an @: "
                    + "postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
        }
        secret = url
        let host = parameters["host"] ?? parameters["hostaddr"] ?? "localhost"
        let port = ports.isEmpty ? "" : ":\(ports.joined(separator: ","))"
        description = "postgresql://\(host)\(port)/\(parameters["dbname"] ?? "")"
    }

    /// Whether an `@` is only at the end of user and password. A raw `@` or `/` in a password would move the rest of it
    /// into host, port or database, which are shown.
    private static func hasOneUserInfo(_ url: String) -> Bool {
        guard let scheme = url.firstRange(of: "://") else { return false }
        let pieces = url[scheme.upperBound...].split(separator: "@", omittingEmptySubsequences: false)
        return pieces.count == 1 || (pieces.count == 2 && !pieces[0].contains("/"))
    }
}
