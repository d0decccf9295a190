import Testing

@testable import Runner

@Suite("Log limit")
struct LogLimiterTests {
    @Test("the log is counted beyond its limit and kept up to it")
    func limiter() {
        var limiter = LogLimiter(limit: 10)
        #expect(limiter.admit([UInt8](repeating: 1, count: 8)[...]).count == 8)
        #expect(limiter.admit([UInt8](repeating: 2, count: 8)[...]).count == 2)
        #expect(limiter.admit([UInt8](repeating: 3, count: 8)[...]).isEmpty)
        #expect(limiter.total == 24)
        #expect(limiter.droppedBytes == 14)
    }
}
