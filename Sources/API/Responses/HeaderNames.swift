import HTTPTypes

extension HTTPField.Name {
    static let xRequestID = known("X-Request-ID")
    static let referrerPolicy = known("Referrer-Policy")
    static let crossOriginResourcePolicy = known("Cross-Origin-Resource-Policy")
    static let idempotencyKey = known("Idempotency-Key")
    static let idempotencyReplayed = known("Idempotency-Replayed")
    static let lastEventID = known("Last-Event-ID")
    static let traceparent = known("traceparent")
    static let xForwardedFor = known("X-Forwarded-For")
    static let accelBuffering = known("X-Accel-Buffering")
    /// draft-ietf-httpapi-ratelimit-headers.
    static let rateLimit = known("RateLimit")
    static let rateLimitPolicy = known("RateLimit-Policy")

    private static func known(_ text: StaticString) -> Self {
        guard let name = Self(text.description) else { preconditionFailure("\(text) is no name of a header") }
        return name
    }
}
