public import Runner

/// What the routes call.
public struct APIServices: Sendable {
    public let readiness: Readiness

    public init(readiness: Readiness) {
        self.readiness = readiness
    }
}
