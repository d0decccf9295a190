import Entitlements
import Foundation
import JWTKit
import Testing

@testable import API

@Suite("Tokens of a shared secret")
struct TokenTests {
    private static let secret = ServerFixture.secret

    private struct Payload: JWTPayload {
        var userId: String?
        var sub: String?
        var role: String?
        var exp: Double?
        var nbf: Double?
        var iat: Double?
        var aud: String?
        var iss: String?

        func verify(using algorithm: some JWTAlgorithm) async throws {}
    }

    private func token(
        _ payload: Payload, secret: String = secret, algorithm: DigestAlgorithm = .sha256
    ) async throws -> String {
        let keys = JWTKeyCollection()
        await keys.add(hmac: HMACKey(from: secret), digestAlgorithm: algorithm)
        return try await keys.sign(payload)
    }

    private func verifier() async -> HMACTokenVerifier {
        await HMACTokenVerifier(secret: Self.secret, longestLife: .seconds(3600))
    }

    private var soon: Double { Date().timeIntervalSince1970 + 600 }

    @Test("name a user and a role")
    func good() async throws {
        let verifier = await verifier()
        let one = try await verifier.verify(
            try await token(Payload(userId: "u1", sub: "s", role: "developer", exp: soon)))
        #expect(one?.userID == "u1")
        #expect(one?.role == .developer)
        let two = try await verifier.verify(try await token(Payload(sub: "s1", exp: soon)))
        #expect(two?.userID == "s1")
        #expect(two?.role == .user)
    }

    @Test("are refused when anything about them is wrong")
    func bad() async throws {
        let verifier = await verifier()
        let now = Date().timeIntervalSince1970
        let wrong: [(String, String)] = [
            (
                "another secret",
                try await token(Payload(sub: "s", exp: soon), secret: "another secret of thirty-two bytes")
            ),
            ("no exp", try await token(Payload(sub: "s"))),
            ("expired", try await token(Payload(sub: "s", exp: now - 1))),
            ("too long", try await token(Payload(sub: "s", exp: now + 7200))),
            ("not yet", try await token(Payload(sub: "s", exp: soon, nbf: now + 300))),
            ("from the future", try await token(Payload(sub: "s", exp: soon, iat: now + 300))),
            ("nobody's", try await token(Payload(exp: soon))),
            ("role", try await token(Payload(sub: "s", role: "root", exp: soon))),
            ("huge", try await token(Payload(sub: String(repeating: "s", count: 9000), exp: soon))),
            ("none at all", "a.b.c"),
        ]
        for (what, token) in wrong {
            await #expect(throws: TokenRefused.self, "\(what)") { _ = try await verifier.verify(token) }
        }
    }

    @Test("are for this server and of its issuer, where that is said")
    func audienceAndIssuer() async throws {
        let verifier = await HMACTokenVerifier(
            secret: Self.secret, longestLife: .seconds(3600), audiences: ["paddock"], issuer: "market")
        let good = try await token(Payload(sub: "s", exp: soon, aud: "paddock", iss: "market"))
        #expect(try await verifier.verify(good)?.userID == "s")
        let wrong = [
            Payload(sub: "s", exp: soon), Payload(sub: "s", exp: soon, aud: "paddock"),
            Payload(sub: "s", exp: soon, iss: "market"), Payload(sub: "s", exp: soon, aud: "other", iss: "market"),
            Payload(sub: "s", exp: soon, aud: "paddock", iss: "other"),
        ]
        for payload in wrong {
            let token = try await token(payload)
            await #expect(throws: TokenRefused.self, "\(payload)") { _ = try await verifier.verify(token) }
        }
    }

    @Test("of another algorithm are not this verifier's, whatever signed them")
    func algorithms() async throws {
        let verifier = await verifier()
        #expect(
            try await verifier.verify(
                try await token(
                    Payload(sub: "s", exp: soon), secret: String(repeating: "s", count: 64), algorithm: .sha512)) == nil
        )
        let good = try await token(Payload(sub: "s", exp: soon)).split(separator: ".")
        func header(_ json: String) -> String {
            Data(json.utf8).base64EncodedString().replacing("=", with: "")
        }
        #expect(try await verifier.verify("\(header(#"{"alg":"none"}"#)).\(good[1]).") == nil)
        await #expect(throws: TokenRefused.self) {
            _ = try await verifier.verify("\(header(#"{"alg":"HS256","crit":["b64"]}"#)).\(good[1]).\(good[2])")
        }
    }

    @Test("of an unknown user make the user", .timeLimit(.minutes(5)))
    func makeUser() async throws {
        let text = try await token(Payload(userId: "market-7", exp: soon))
        try await ServerFixture.with { server in
            let person = ServerFixture.Person(id: "market-7", key: text)
            let me = try await server.get("/users/me", as: person)
            #expect(me.status == 200, "\(me.text)")
            #expect(me.id == "market-7")
            #expect(try await server.get("/users", as: person).status == 403)
            let none = ServerFixture.Person(id: "", key: text + "x")
            #expect(try await server.get("/users/me", as: none).code == "unauthenticated")
        }
    }
}
