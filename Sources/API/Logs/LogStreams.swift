import HTTPTypes
import NIOConcurrencyHelpers
import Runner

/// The logs that are open: how many each user has, so that none takes all connections, and with which key, so that one that
/// is revoked reads no further.
final class LogStreams: Sendable {
    /// Longest time for which a revoked key still reads.
    private static let interval: Duration = .seconds(5)

    /// One open log, for as long as it lives.
    final class Place: Sendable {
        private let streams: LogStreams
        private let userID: String

        fileprivate init(_ streams: LogStreams, _ userID: String) {
            self.streams = streams
            self.userID = userID
        }

        deinit { streams.leave(userID, ObjectIdentifier(self)) }
    }

    private struct Keyed {
        let authorization: String
        let inbox: LogInbox
    }

    private struct State {
        /// By user.
        var open: [String: Int] = [:]
        var keyed: [ObjectIdentifier: Keyed] = [:]
    }

    private let limit: Int
    private let state = NIOLockedValueBox(State())

    /// - Parameter limit: of one user; 0 for none.
    init(limit: Int) { self.limit = limit }

    /// - Parameters:
    ///   - authorization: the header, where it holds an API key; nil for what cannot be revoked.
    ///   - inbox: of whoever follows.
    /// - Throws: ``Problem`` 429 when the user has as many as there may be.
    func enter(_ userID: String, _ authorization: String?, _ inbox: LogInbox) throws -> Place {
        let place: Place? = state.withLockedValue { state in
            if limit > 0, state.open[userID, default: 0] >= limit { return nil }
            state.open[userID, default: 0] += 1
            let place = Place(self, userID)
            if let authorization {
                state.keyed[ObjectIdentifier(place)] = Keyed(authorization: authorization, inbox: inbox)
            }
            return place
        }
        if let place { return place }
        var problem = Problem(
            status: 429, code: "concurrency_limited", title: "Too many at once",
            detail: "\(limit) logs of yours are open here, and \(limit) may be: close one, or wait for one to end")
        problem.limit = limit
        problem.used = limit
        problem.headers[.retryAfter] = "5"
        throw problem
    }

    private func leave(_ userID: String, _ place: ObjectIdentifier) {
        state.withLockedValue { state in
            let left = state.open[userID, default: 1] - 1
            state.open[userID] = left > 0 ? left : nil
            state.keyed[place] = nil
        }
    }

    /// Ends those whose key is good no more, until the task is cancelled.
    func endRevoked(_ authenticator: Authenticator) async throws {
        while true {
            try await Task.sleep(for: Self.interval)
            let open = Dictionary(grouping: state.withLockedValue { Array($0.keyed.values) }, by: \.authorization)
            for (authorization, followers) in open {
                do {
                    _ = try await authenticator.caller(authorization)
                } catch let problem as Problem where problem.status == 401 {
                    for follower in followers { follower.inbox.leave() }
                } catch {
                    // A database that is away is asked again.
                }
            }
        }
    }
}
