/// Every migration, in order. A new one goes to the end, in a file of its own.
enum Schema {
    static let migrations: [Migration] = [.executions, .logs, .audit, .entitlements, .api, .webhooks]
}
