import DatabaseFixtures
import Foundation
import Storage
import Testing

@testable import Runner

@Suite("Webhooks", .timeLimit(.minutes(5)))
struct WebhookTests {
    @Test("come once, signed, with the execution and the trace", arguments: Backend.allCases)
    func delivered(_ backend: Backend) async throws {
        try await WebhookFixture.with(backend) { fixture in
            let trace = try #require(TraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
            let id = try await fixture.ended(fixture.url("ok?x=1"), trace: trace)
            try await fixture.withSender { () async throws in
                let delivery = try await fixture.settled(id)
                #expect(delivery.state == .delivered)
                #expect(delivery.attempts.map(\.status) == [200])
                #expect(delivery.attempts.first?.address == "127.0.0.1")
                #expect(delivery.attempts.first?.failure == nil)
                let request = try #require(try await fixture.received(1).first)
                #expect(request.signed)
                #expect(request.library != false)
                #expect(request.path == "/ok?x=1")
                #expect(request.headers["content-type"] == "application/json")
                #expect(request.headers["webhook-id"] == delivery.id)
                let sent = try #require(request.headers["traceparent"].flatMap { TraceContext($0) })
                #expect(sent.traceID == trace.traceID)
                #expect(sent.parentID != trace.parentID)
                let body = try JSONValue(parsing: Array(request.body.utf8))
                #expect(body["type"] == .string("execution.succeeded"))
                #expect(body["data"]?["id"] == .string(id))
                #expect(body["data"]?["message"] == .string("ä"))
            }
            #expect(fixture.receiver.requests.count == 1)
        }
    }

    @Test("with another user's secret are not taken", arguments: Backend.allCases)
    func secrets(_ backend: Backend) async throws {
        try await WebhookFixture.with(backend) { fixture in
            let id = try await fixture.ended(fixture.url("ok"), user: "usr_b")
            try await fixture.withSender { () async throws in
                let delivery = try await fixture.settled(id)
                #expect(delivery.state == .failed)
                #expect(delivery.attempts.map(\.status) == [401, 401, 401])
            }
            let (a, b) = (
                try await fixture.webhooks.secret(of: "usr_a"), try await fixture.webhooks.secret(of: "usr_b")
            )
            #expect(a.description != b.description)
            #expect(a.description == (try await Webhooks(fixture.database).secret(of: "usr_a")).description)
        }
    }

    @Test("are signed with the secret of before as well, once the key was replaced", arguments: Backend.allCases)
    func rotation(_ backend: Backend) async throws {
        try await WebhookFixture.with(backend) { fixture in
            let before = try await fixture.webhooks.secret(of: WebhookFixture.user)
            try await fixture.database.transaction { try await Webhooks.rotateKey(in: $0) }
            let (current, previous) = try await fixture.webhooks.secrets(of: WebhookFixture.user)
            #expect(current.description != before.description)
            #expect(previous?.description == before.description)
            // The receiver has the secret of before.
            let id = try await fixture.ended(fixture.url("ok"))
            try await fixture.withSender { () async throws in
                #expect(try await fixture.settled(id).state == .delivered)
            }
            let request = try await fixture.received(1).first
            #expect(request?.headers["webhook-signature"]?.split(separator: " ").count == 2)
            #expect(request?.library != false)
            try await fixture.database.execute("UPDATE webhook_keys SET previous_until = 0")
            #expect(try await fixture.webhooks.secrets(of: WebhookFixture.user).previous == nil)
        }
    }

    @Test("wait for the end, and for its commit", arguments: Backend.allCases)
    func waiting(_ backend: Backend) async throws {
        try await WebhookFixture.with(backend) { fixture in
            let waiting = try await fixture.submit(fixture.url("ok"))
            let undone = try await fixture.submit(fixture.url("ok"))
            struct Undo: Error {}
            try? await fixture.database.transaction { transaction in
                try await Webhooks.enqueue(undone, in: transaction)
                throw Undo()
            }
            try await fixture.withSender { () async throws in
                let later = try await fixture.ended(fixture.url("ok"))
                #expect(try await fixture.settled(later).state == .delivered)
                #expect(try await fixture.received(1).count == 1)
                #expect(try await fixture.delivery(waiting).state == .waiting)
                #expect(try await fixture.delivery(undone).state == .waiting)
                try await fixture.end(waiting)
                #expect(try await fixture.settled(waiting).state == .delivered)
                // Again, as after a commit whose answer was lost.
                try await fixture.database.transaction { try await Webhooks.enqueue(waiting, in: $0) }
                #expect(try await fixture.delivery(waiting).state == .delivered)
            }
        }
    }

    @Test("that fail are sent again, as the same", arguments: Backend.allCases)
    func retries(_ backend: Backend) async throws {
        try await WebhookFixture.with(backend) { fixture in
            let (passing, failing) = (
                try await fixture.ended(fixture.url("fail/2")), try await fixture.ended(fixture.url("fail/9"))
            )
            try await fixture.withSender { () async throws in
                let delivery = try await fixture.settled(passing)
                #expect(delivery.state == .delivered)
                #expect(delivery.attempts.map(\.status) == [500, 500, 200])
                #expect(delivery.attempts.first?.failure == "it answered 500")
                let given = try await fixture.settled(failing)
                #expect(given.state == .failed)
                #expect(given.attempts.map(\.number) == [1, 2, 3])
            }
            let requests = try await fixture.received(3) { $0.path == "/fail/2" }
            #expect(requests.count == 3)
            #expect(Set(requests.map { $0.headers["webhook-id"] }).count == 1)
            #expect(Set(requests.map(\.body)).count == 1)
            #expect(requests.allSatisfy { $0.signed })
        }
    }

    @Test("that were under way when a sender died are sent by the next", arguments: Backend.allCases)
    func restart(_ backend: Backend) async throws {
        try await WebhookFixture.with(backend) { fixture in
            let id = try await fixture.ended(fixture.url("slow/60"))
            try await fixture.withSender({ $0.lease = .seconds(10) }) { () async throws in
                try await eventually { !fixture.receiver.requests.isEmpty }
            }
            #expect(try await fixture.delivery(id).state == .pending)
            try await fixture.withSender { () async throws in
                let delivery = try await fixture.settled(id)
                #expect(delivery.state == .delivered)
                // The first is known by its number only: nobody was left to write it down.
                let numbers = delivery.attempts.map(\.number)
                #expect(numbers.count == 1)
                // More than one may have been begun before its sender died.
                #expect((numbers.first ?? 0) >= 2)
                #expect(try await fixture.received(numbers.first ?? 0).count == numbers.first)
            }
        }
    }

    @Test("are sent once each by two senders", arguments: Backend.allCases)
    func twoSenders(_ backend: Backend) async throws {
        try await WebhookFixture.with(backend) { fixture in
            var ids: [String] = []
            for number in 0..<60 { ids.append(try await fixture.ended(fixture.url("ok?\(number)"))) }
            try await fixture.withSender { () async throws in
                try await fixture.withSender { () async throws in
                    for id in ids { #expect(try await fixture.settled(id).state == .delivered) }
                }
            }
            let paths = try await fixture.received(60).map(\.path)
            #expect(paths.count == 60)
            #expect(Set(paths).count == 60)
        }
    }

    @Test("are not held up by one user's receiver", arguments: Backend.allCases)
    func fairness(_ backend: Backend) async throws {
        try await WebhookFixture.with(backend) { fixture in
            for number in 0..<8 { _ = try await fixture.ended(fixture.url("slow/20?\(number)"), user: "usr_slow") }
            let quick = try await fixture.ended(fixture.url("ok"))
            try await fixture.withSender({
                $0.concurrency = 4
                $0.perUser = 2
            }) { () async throws in
                #expect(try await fixture.settled(quick).state == .delivered)
                #expect(fixture.receiver.requests.filter { $0.path.hasPrefix("/slow") }.count <= 2)
            }
        }
    }

    @Test("follow no redirect")
    func redirect() async throws {
        try await WebhookFixture.with(.sqlite) { fixture in
            let id = try await fixture.ended(fixture.url("redirect"))
            try await fixture.withSender { () async throws in
                let delivery = try await fixture.settled(id)
                #expect(delivery.state == .failed)
                #expect(delivery.attempts.map(\.status) == [302, 302, 302])
                #expect(delivery.attempts.first?.failure?.contains("redirects are not followed") == true)
            }
            #expect(!fixture.receiver.requests.contains { $0.path == "/ok" })
        }
    }

    @Test(
        "go to no reserved address, by name or number",
        arguments: ["127.0.0.1", "inner.test", "mixed6.test", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]"])
    func reserved(_ host: String) async throws {
        let resolver = StubResolver([
            "inner.test": [["10.1.2.3"]], "mixed6.test": [["::1", "fd00:ec2::254"]],
        ])
        try await WebhookFixture.with(.sqlite) { fixture in
            let id = try await fixture.ended(fixture.url("ok", host: host))
            try await fixture.withSender(resolver: resolver, { $0.allowPrivate = [] }) { () async throws in
                let delivery = try await fixture.settled(id)
                #expect(delivery.state == .failed)
                #expect(delivery.attempts.count == 1)
                #expect(delivery.attempts.first?.status == nil)
                #expect(delivery.attempts.first?.failure?.contains("which is a") == true)
            }
            #expect(fixture.receiver.requests.isEmpty)
        }
    }

    @Test("go to the very address that was checked: a name is looked up once")
    func pinned() async throws {
        // What a name leads to the second time, as with DNS rebinding. The system knows no such name.
        let resolver = StubResolver(["rebinding.test": [["127.0.0.1"], ["127.0.0.2"]]])
        try await WebhookFixture.with(.sqlite) { fixture in
            let id = try await fixture.ended(fixture.url("ok", host: "rebinding.test"))
            try await fixture.withSender(resolver: resolver) { () async throws in
                let delivery = try await fixture.settled(id)
                #expect(delivery.state == .delivered)
                #expect(delivery.attempts.first?.address == "127.0.0.1")
            }
            #expect(resolver.lookups == 1)
            let request = try await fixture.received(1).first
            #expect(request?.headers["host"] == "rebinding.test:\(fixture.receiver.port)")
        }
    }

    @Test("take an answer's beginning for the answer, and have no patience for more")
    func answers() async throws {
        try await WebhookFixture.with(.sqlite) { fixture in
            let endless = try await fixture.ended(fixture.url("endless"))
            let gone = try await fixture.ended(fixture.url("gone"))
            let later = try await fixture.ended(fixture.url("later/2"))
            let nobody = try await fixture.ended("http://127.0.0.1:1/")
            let unknown = try await fixture.ended("http://nowhere.test/")
            try await fixture.withSender { () async throws in
                #expect(try await fixture.settled(endless).state == .delivered)
                #expect(try await fixture.settled(gone).attempts.map(\.status) == [410])
                let delayed = try await fixture.settled(later)
                #expect(delayed.attempts.map(\.status) == [429, 200])
                let pause = delayed.attempts[1].time.timeIntervalSince(delayed.attempts[0].time)
                #expect(pause >= 1.9)
                #expect(try await fixture.settled(nobody).attempts.count == 3)
                #expect(try await fixture.settled(unknown).attempts.first?.failure?.contains("no address") == true)
            }
        }
    }

    @Test("have a deadline for each attempt")
    func deadline() async throws {
        try await WebhookFixture.with(.sqlite) { fixture in
            let slow = try await fixture.ended(fixture.url("slow/50"))
            let resolving = try await fixture.ended("http://stuck.test/")
            let resolver = StubResolver([:])
            try await fixture.withSender(
                resolver: resolver,
                {
                    $0.attemptLimit = .seconds(8)
                    $0.resolveLimit = .milliseconds(500)
                    $0.pauses = [.milliseconds(10)]
                }
            ) { () async throws in
                // The receiver is slow once.
                #expect(try await fixture.settled(slow).attempts.map(\.status) == [nil, 200])
                let delivery = try await fixture.settled(resolving)
                #expect(delivery.attempts.first?.failure?.contains("not resolved within") == true)
            }
            resolver.release()
        }
    }

    @Test("in plain http are refused unless the operator allows them")
    func plain() async throws {
        try await WebhookFixture.with(.sqlite) { fixture in
            let id = try await fixture.ended(fixture.url("ok"))
            try await fixture.withSender({ $0.allowsHTTP = false }) { () async throws in
                #expect(try await fixture.settled(id).attempts.first?.failure?.contains("use https") == true)
            }
            #expect(fixture.receiver.requests.isEmpty)
        }
    }

    @Test(
        "over TLS go to nobody but the host that the URL names",
        arguments: [
            // Host, whether its authority is trusted, and whether it is delivered.
            ("hook.test", true, true), ("other.test", true, false), ("hook.test", false, false),
        ])
    func tls(_ host: String, _ isTrusted: Bool, _ isDelivered: Bool) async throws {
        try await WebhookFixture.with(.sqlite) { fixture in
            try await withTemporaryFolder { folder in
                let (certificate, key) = (folder + "/cert.pem", folder + "/key.pem")
                let openssl = Process()
                openssl.executableURL = URL(filePath: "/usr/bin/openssl")
                openssl.arguments = [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=hook.test", "-addext", "subjectAltName=DNS:hook.test", "-keyout", key, "-out",
                    certificate,
                ]
                openssl.standardError = FileHandle.nullDevice
                try openssl.run()
                openssl.waitUntilExit()
                let secret = try await fixture.webhooks.secret(of: WebhookFixture.user)
                let receiver = try await WebhookReceiver(secret: secret.description, tls: (certificate, key))
                defer { receiver.stop() }
                let id = try await fixture.ended("https://\(host):\(receiver.port)/ok")
                let resolver = StubResolver([host: [["127.0.0.1"]]])
                try await fixture.withSender(resolver: resolver, { $0.authorities = isTrusted ? certificate : nil }) {
                    () async throws in
                    let delivery = try await fixture.settled(id)
                    #expect((delivery.state == .delivered) == isDelivered)
                }
                if isDelivered { try await eventually { !receiver.requests.isEmpty } }
                #expect(receiver.requests.isEmpty == !isDelivered)
            }
        }
    }
}
