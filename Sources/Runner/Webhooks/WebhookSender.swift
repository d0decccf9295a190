public import Logging
import Metrics
import NIOConcurrencyHelpers
public import Storage

/// Sends the webhooks that are due. Each node runs one; no two send the same webhook at the same time.
public final class WebhookSender: Sendable {
    public struct Configuration: Sendable {
        /// At once, from this node.
        public var concurrency = 16
        /// Of one user's, so that one slow receiver does not hold up the others.
        public var perUser = 4
        /// After the first attempt, the second and so on; then it is given up. Each is up to a tenth longer or shorter.
        public var pauses: [Duration] = [
            .seconds(5), .seconds(300), .seconds(1800), .seconds(7200), .seconds(18_000), .seconds(36_000),
            .seconds(50_400), .seconds(72_000), .seconds(86_400),
        ]
        /// For a name to be resolved.
        public var resolveLimit: Duration = .seconds(10)
        public var connectLimit: Duration = .seconds(10)
        /// For an attempt, from its connection to the end of the answer.
        public var attemptLimit: Duration = .seconds(20)
        /// How long a taken webhook stays with a sender that says no more.
        public var lease: Duration = .seconds(90)
        /// From one look into the database to the next, when nothing is due.
        public var interval: Duration = .seconds(1)
        /// Whether plain http is taken.
        public var allowsHTTP = false
        /// Reserved ranges that may be connected to: the operator's `egress.allowPrivate`.
        public var allowPrivate: [AddressRange] = []
        /// A PEM file of certificate authorities in place of the system's.
        public var authorities: String?

        public init() {}
    }

    private struct State {
        /// How many of each user are under way.
        var active: [String: Int] = [:]
        var count = 0
    }

    private let webhooks: Webhooks
    private let configuration: Configuration
    private let courier: WebhookCourier
    private let logger: Logger
    private let state = NIOLockedValueBox(State())
    private let wake = Wake()

    public convenience init(_ database: Database, configuration: Configuration = Configuration(), logger: Logger) {
        self.init(database, configuration: configuration, resolver: SystemResolver(), logger: logger)
    }

    init(_ database: Database, configuration: Configuration, resolver: any EgressResolver, logger: Logger) {
        webhooks = Webhooks(database)
        self.configuration = configuration
        courier = WebhookCourier(configuration: configuration, resolver: resolver)
        self.logger = logger
    }

    deinit { courier.resolver.close() }

    /// Sends until the task is cancelled. Attempts that are under way are broken off then, and made again later.
    public func run() async {
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                var found: ClaimedWebhook?
                do {
                    found = try await next()
                } catch is CancellationError {
                    break
                } catch {
                    logger.warning("no webhook can be sent", metadata: ["error": "\(error)"])
                }
                guard let webhook = found else {
                    await withTaskCancellationHandler {
                        await wake.wait(atMost: configuration.interval)
                    } onCancel: {
                        wake.up()
                    }
                    continue
                }
                group.addTask { await self.send(webhook) }
            }
            group.cancelAll()
        }
    }

    private func next() async throws -> ClaimedWebhook? {
        let (isFull, busy) = state.withLockedValue { state in
            (
                state.count >= configuration.concurrency,
                state.active.filter { $0.value >= configuration.perUser }.map(\.key)
            )
        }
        guard !isFull, let webhook = try await webhooks.claim(for: configuration.lease, except: busy) else {
            return nil
        }
        state.withLockedValue { state in
            state.count += 1
            state.active[webhook.userID, default: 0] += 1
        }
        return webhook
    }

    private func send(_ webhook: ClaimedWebhook) async {
        defer {
            state.withLockedValue { state in
                state.count -= 1
                state.active[webhook.userID, default: 1] -= 1
                if state.active[webhook.userID] == 0 { state.active[webhook.userID] = nil }
            }
            wake.up()
        }
        let begin = ContinuousClock.now
        do {
            let secrets = try await webhooks.secrets(of: webhook.userID)
            let outcome = try await courier.deliver(
                webhook, secrets: [secrets.current] + (secrets.previous.map { [$0] } ?? []))
            let took = begin.duration(to: .now)
            Timer(label: "paddock.webhook.attempt.duration").record(duration: took)
            let pause = self.pause(after: outcome, attempt: webhook.attempt)
            Counter(label: "paddock.webhook.attempts", dimensions: [("outcome", Self.word(outcome, pause))]).increment()
            try await webhooks.finish(webhook, outcome, took: took, nextIn: pause)
            log(webhook, outcome, pause)
        } catch is CancellationError {
            // Made again when the lease has run out.
        } catch {
            logger.warning(
                "a webhook's attempt was not written down", metadata: ["webhook": "\(webhook.id)", "error": "\(error)"])
        }
    }

    private func pause(after outcome: WebhookOutcome, attempt: Int) -> Duration? {
        guard case .failed(let retryAfter) = outcome.verdict, attempt <= configuration.pauses.count else { return nil }
        let pause = configuration.pauses[attempt - 1] * Double.random(in: 0.9...1.1)
        return max(pause, retryAfter ?? .zero)
    }

    private static func word(_ outcome: WebhookOutcome, _ pause: Duration?) -> String {
        switch outcome.verdict {
        case .delivered: "delivered"
        case .refused: "refused"
        case .failed: pause == nil ? "given_up" : "failed"
        }
    }

    private func log(_ webhook: ClaimedWebhook, _ outcome: WebhookOutcome, _ pause: Duration?) {
        guard let failure = outcome.failure else { return }
        logger.notice(
            "a webhook was not delivered",
            metadata: [
                "webhook": "\(webhook.id)", "execution": "\(webhook.execution.id)", "attempt": "\(webhook.attempt)",
                "error": "\(failure)", "next": "\(pause.map { "\($0)" } ?? "none")",
                "trace": "\(webhook.trace ?? "none")",
            ])
    }
}
