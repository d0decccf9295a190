import Foundation
import NIOConcurrencyHelpers
import Storage
import WebClient

/// Makes one attempt at a webhook: looks the name up, checks where it leads, and posts to exactly that address.
struct WebhookCourier: Sendable {
    let configuration: WebhookSender.Configuration
    let resolver: any EgressResolver

    /// Bytes of a receiver's answer that are read; what is beyond does not matter.
    private static let answerLimit = 64 << 10
    /// More addresses of one name are not tried.
    private static let addressLimit = 3
    private static let longestRetryAfter: Duration = .seconds(86_400)

    /// - Parameter secrets: of the webhook's user; it is signed with each of them.
    func deliver(_ webhook: ClaimedWebhook, secrets: [WebhookSecret]) async throws -> WebhookOutcome {
        let url: WebhookURL
        do {
            url = try WebhookURL(webhook.url, allowsHTTP: configuration.allowsHTTP)
        } catch {
            return WebhookOutcome(verdict: .refused, failure: "\(error)")
        }
        let addresses: [IPAddress]
        do {
            addresses = try await self.addresses(of: url.target)
        } catch let refusal as Refusal {
            return WebhookOutcome(verdict: .refused, address: refusal.address, failure: refusal.description)
        } catch let reason as EgressRecord.Reason {
            return WebhookOutcome(verdict: .failed(retryAfter: nil), failure: reason.message)
        }
        return try await post(webhook, to: url, at: addresses, secrets)
    }

    // MARK: Where

    private struct Refusal: Error, CustomStringConvertible {
        let address: String
        let description: String
    }

    /// Those that may be connected to.
    /// - Throws: ``Refusal`` when there is none, `EgressRecord.Reason` for a name that does not resolve.
    private func addresses(of target: EgressTarget) async throws -> [IPAddress] {
        let policy = try EgressPolicy(rules: [EgressRule("\(target)")], allowedPrivate: configuration.allowPrivate)
        let found: [IPAddress]
        switch target.host {
        case .address(let address): found = [address]
        case .name(let name): found = try await lookUp(name)
        }
        guard let first = found.first else {
            throw EgressRecord.Reason(.unresolved, "\(target.host) has no address")
        }
        let own = try HostAddresses.current()
        let allowed = found.filter { policy.objection(to: $0, ofHost: own) == nil }
        guard allowed.isEmpty else { return Array(allowed.prefix(Self.addressLimit)) }
        let what = policy.objection(to: first, ofHost: own) ?? "not allowed"
        throw Refusal(address: first.description, description: "\(target.host) leads to \(first), which is \(what)")
    }

    /// A lookup that is late goes on by itself: getaddrinfo(3) cannot be ended.
    private func lookUp(_ name: String) async throws -> [IPAddress] {
        let answer = NIOLockedValueBox<Result<[IPAddress], any Error>?>(nil)
        let wake = Wake()
        let lookup = Task {
            let result: Result<[IPAddress], any Error>
            do { result = .success(try await resolver.addresses(of: name)) } catch { result = .failure(error) }
            answer.withLockedValue { $0 = result }
            wake.up()
        }
        await withTaskCancellationHandler {
            await wake.wait(atMost: configuration.resolveLimit)
        } onCancel: {
            lookup.cancel()
            wake.up()
        }
        try Task.checkCancellation()
        guard let result = answer.withLockedValue({ $0 }) else {
            lookup.cancel()
            throw EgressRecord.Reason(
                .timeout, "\(name) was not resolved within \(configuration.resolveLimit.inSeconds)")
        }
        do {
            return try result.get()
        } catch {
            throw error as? EgressRecord.Reason
                ?? EgressRecord.Reason(.unresolved, "\(name) cannot be resolved: \(error)")
        }
    }

    // MARK: What

    /// `{"type":"execution.STATUS","timestamp":…,"data":EXECUTION}`: the same bytes in each attempt.
    static func body(of webhook: ClaimedWebhook) throws -> [UInt8] {
        let execution = webhook.execution
        let time = (execution.finishedAt ?? execution.createdAt).rfc3339
        let head = #"{"type":"execution.\#(execution.state.rawValue)","timestamp":"\#(time)","data":"#
        return Array(head.utf8) + (try ExecutionDocument(execution).bytes) + Array("}".utf8)
    }

    private func post(
        _ webhook: ClaimedWebhook, to url: WebhookURL, at addresses: [IPAddress], _ secrets: [WebhookSecret]
    ) async throws -> WebhookOutcome {
        let body = try Self.body(of: webhook)
        let timestamp = Int(Date().timeIntervalSince1970)
        var request = WebRequest("POST", url.description)
        request.body = body
        request.headers = [
            ("content-type", "application/json"), ("user-agent", "Paddock"), ("webhook-id", webhook.id),
            ("webhook-timestamp", "\(timestamp)"),
            (
                "webhook-signature",
                secrets.map { $0.signature(id: webhook.id, timestamp: timestamp, body: body) }.joined(separator: " ")
            ),
        ]
        if let trace = webhook.trace.flatMap({ TraceContext($0) }) {
            request.headers.append(("traceparent", trace.child().description))
        }
        request.authorities = configuration.authorities
        let deadline = ContinuousClock.now + configuration.attemptLimit
        var outcome = WebhookOutcome(verdict: .failed(retryAfter: nil))
        for address in addresses {
            request.address = .init(ip: address.description, port: url.target.port)
            request.totalLimit = max(.milliseconds(1), ContinuousClock.now.duration(to: deadline))
            request.connectLimit = max(
                .milliseconds(1), min(configuration.connectLimit, ContinuousClock.now.duration(to: deadline)))
            outcome.address = address.description
            let answer = NIOLockedValueBox<WebHead?>(nil)
            do {
                let seen = NIOLockedValueBox(0)
                _ = try await WebClient.stream(request) { head in
                    answer.withLockedValue { $0 = head }
                } onBody: { bytes in
                    let isTooMuch = seen.withLockedValue { seen in
                        seen += bytes.count
                        return seen > Self.answerLimit
                    }
                    if isTooMuch { throw WebError(.tooLarge, "the answer is too long") }
                }
            } catch let error as WebError {
                // An answer that has begun counts, whatever becomes of the rest of it.
                if answer.withLockedValue({ $0 }) == nil {
                    outcome.failure = "\(url.target): \(error)"
                    if error.code == .unreachable, ContinuousClock.now < deadline { continue }
                    return outcome
                }
            }
            if let head = answer.withLockedValue({ $0 }) { judge(head, &outcome) }
            return outcome
        }
        return outcome
    }

    private func judge(_ head: WebHead, _ outcome: inout WebhookOutcome) {
        outcome.status = head.status
        outcome.failure = nil
        switch head.status {
        case 200..<300: outcome.verdict = .delivered
        case 300..<400:
            outcome.verdict = .failed(retryAfter: nil)
            outcome.failure = "it answered \(head.status), and redirects are not followed: register the address itself"
        case 410:
            outcome.verdict = .refused
            outcome.failure = "it answered 410: it wants no more of them"
        default:
            let seconds = head.headers["retry-after"].flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil }
            outcome.verdict = .failed(retryAfter: seconds.map { min(.seconds($0), Self.longestRetryAfter) })
            outcome.failure = "it answered \(head.status)"
        }
    }
}
