struct PostgresURL: Sendable, CustomStringConvertible { let description = ""; init(_ s: String) throws {} }
import Logging
final class PostgresDriver: Driver {
    init(url: PostgresURL, configuration: Database.Configuration, logger: Logger) {}
    let dialect = Dialect.postgres
    func acquire(_ access: Access, until deadline: ContinuousClock.Instant) async throws -> any Session { fatalError() }
    func release(_ session: any Session) {}
    func subscribe(to channel: String) -> Notifications { fatalError() }
    func close() async {}
}
