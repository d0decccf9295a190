import HTTPTypes
import NIOConcurrencyHelpers

/// How many logs each user has open, so that none takes all connections.
final class LogStreams: Sendable {
    /// One open log, for as long as it lives.
    final class Place: Sendable {
        private let streams: LogStreams
        private let userID: String

        fileprivate init(_ streams: LogStreams, _ userID: String) {
            self.streams = streams
            self.userID = userID
        }

        deinit { streams.leave(userID) }
    }

    private let limit: Int
    private let open = NIOLockedValueBox<[String: Int]>([:])

    /// - Parameter limit: of one user; 0 for none.
    init(limit: Int) { self.limit = limit }

    /// - Throws: ``Problem`` 429 when the user has as many as there may be.
    func enter(_ userID: String) throws -> Place {
        let isFull = open.withLockedValue { open in
            if limit > 0, open[userID, default: 0] >= limit { return true }
            open[userID, default: 0] += 1
            return false
        }
        guard isFull else { return Place(self, userID) }
        var problem = Problem(
            status: 429, code: "concurrency_limited", title: "Too many at once",
            detail: "\(limit) logs of yours are open here, and \(limit) may be: close one, or wait for one to end")
        problem.limit = limit
        problem.used = limit
        problem.headers[.retryAfter] = "5"
        throw problem
    }

    private func leave(_ userID: String) {
        open.withLockedValue { open in
            let left = open[userID, default: 1] - 1
            open[userID] = left > 0 ? left : nil
        }
    }
}
