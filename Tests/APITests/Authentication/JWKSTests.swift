import Crypto
import Foundation
import JWTKit
import NIOConcurrencyHelpers
import Testing

@testable import API

/// Signers with the keys that a set publishes.
private struct Issuer: Sendable {
    let keys = JWTKeyCollection()
    let ecdsa = ES256PrivateKey()
    let eddsa: EdDSA.PrivateKey
    /// OpenSSL's, as JWTKit makes none.
    static let rsaPEM = try? run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    let rsa: JWTKit.Insecure.RSA.PrivateKey

    init() async throws {
        eddsa = try EdDSA.PrivateKey()
        rsa = try JWTKit.Insecure.RSA.PrivateKey(pem: try #require(Self.rsaPEM))
        await keys.add(ecdsa: ecdsa, kid: "ec")
        await keys.add(eddsa: eddsa, kid: "ed")
        await keys.add(rsa: rsa, digestAlgorithm: .sha256, kid: "rsa")
    }

    /// The set, as an issuer publishes it.
    func set(_ ids: [String] = ["ec", "ed", "rsa"], _ more: [[String: String]] = []) throws -> [UInt8] {
        let point = try #require(ecdsa.publicKey.parameters)
        let modulus = try rsa.publicKey.getKeyPrimitives()
        func url(_ data: Data) -> String { Self.url([UInt8](data)) }
        let all: [String: [String: String]] = [
            "ec": ["kty": "EC", "crv": "P-256", "kid": "ec", "x": Self.url(point.x), "y": Self.url(point.y)],
            "ed": ["kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": url(eddsa.publicKey.rawRepresentation)],
            "rsa": [
                "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "rsa", "n": url(modulus.modulus),
                "e": url(modulus.publicExponent),
            ],
        ]
        return [UInt8](try JSONEncoder().encode(["keys": ids.compactMap { all[$0] } + more]))
    }

    static func url(_ base64: String) -> String {
        base64.replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    static func url(_ bytes: [UInt8]) -> String { url(Data(bytes).base64EncodedString()) }

    func token(_ kid: String, _ claims: [String: Value]) async throws -> String {
        try await keys.sign(Payload(members: claims), kid: JWKIdentifier(string: kid))
    }

    static func run(_ arguments: String...) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }
}

private enum Value: Encodable, Sendable {
    case text(String)
    case number(Double)
    case list([String])

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .text(let text): try container.encode(text)
        case .number(let number): try container.encode(number)
        case .list(let items): try container.encode(items)
        }
    }
}

private struct Payload: JWTPayload {
    let members: [String: Value]

    init(members: [String: Value]) { self.members = members }
    init(from decoder: any Decoder) throws { members = [:] }
    func encode(to encoder: any Encoder) throws { try members.encode(to: encoder) }
    func verify(using key: some JWTAlgorithm) {}
}

@Suite("Tokens of a key set", .timeLimit(.minutes(5)))
struct JWKSTests {
    private static let now = Date(timeIntervalSince1970: 1_800_000_000)
    private static let good: [String: Value] = [
        "sub": .text("usr_1"), "exp": .number(1_800_000_600), "nbf": .number(1_799_999_000),
        "iat": .number(1_799_999_000),
    ]

    private func verifier(
        _ bytes: @escaping @Sendable () throws -> [UInt8],
        _ change: (inout JWKSVerifier.Configuration) -> Void = { _ in }
    ) -> JWKSVerifier {
        let source = JWKSource("test", refreshInterval: .seconds(600), cooldown: .seconds(30)) { try bytes() }
        var configuration = JWKSVerifier.Configuration(source)
        change(&configuration)
        return JWKSVerifier(configuration)
    }

    private func refusal(_ verifier: JWKSVerifier, _ token: String) async -> String {
        do {
            return "taken: \(try await verifier.verify(token, at: Self.now))"
        } catch {
            return "\(error)"
        }
    }

    @Test("are taken with RS256, ES256 and EdDSA", arguments: ["rsa", "ec", "ed"])
    func taken(_ kid: String) async throws {
        let issuer = try await Issuer()
        let set = try issuer.set()
        let verifier = verifier { set }
        let token = try await issuer.token(kid, Self.good)
        let claims = try await verifier.verify(token, at: Self.now)
        #expect(claims.userID == "usr_1")
        #expect(claims.role == "user")
        #expect(claims.expiresAt.timeIntervalSince1970 == 1_800_000_600)
        let admin = try await issuer.token(
            kid, Self.good.merging(["userId": .text("usr_2"), "role": .text("admin")]) { $1 })
        #expect(try await verifier.verify(admin, at: Self.now).userID == "usr_2")
        #expect(try await verifier.verify(admin, at: Self.now).role == "admin")
        // One byte of the signature, and one of what is signed.
        for part in [1, 2] {
            var parts = token.split(separator: ".").map { Array($0.utf8) }
            parts[part][5] = parts[part][5] == 65 ? 66 : 65
            let changed = parts.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ".")
            let words = await refusal(verifier, changed)
            #expect(words.contains("signature is not good") || words.contains("no JWT"))
        }
    }

    @Test(
        "that are not for now, not for us or not whole are refused",
        arguments: [
            (["exp": Value.number(1_799_999_900)], "expired"), (["nbf": .number(1_800_000_100)], "not valid yet"),
            (["iat": .number(1_800_000_100)], "not valid yet"), (["nbf": .text("x")], "no time"),
            (["exp": .text("1900000000")], "no time at which it expires"),
            (["exp": .number(1e300)], "no time at which"),
            (["aud": .text("other")], "another audience"), (["aud": .list(["a", "b"])], "another audience"),
            (["iss": .text("somebody")], "issuer"), (["role": .text("root")], "role"),
            (["role": .list(["admin"])], "role"), (["userId": .text("")], "no user"),
            (["userId": .text("a b")], "no user"), (["userId": .number(1)], "no user"),
            (["userId": .text(String(repeating: "u", count: 129))], "no user"),
        ])
    private func claims(_ change: [String: Value], _ words: String) async throws {
        let issuer = try await Issuer()
        let set = try issuer.set()
        let verifier = verifier({ set }) {
            $0.audiences = ["paddock"]
            $0.issuer = "https://issuer.example"
        }
        let good = Self.good.merging([
            "aud": .list(["paddock", "more"]), "iss": .text("https://issuer.example"),
        ]) { $1 }
        #expect(await refusal(verifier, try await issuer.token("ec", good)).hasPrefix("taken"))
        let token = try await issuer.token("ec", good.merging(change) { $1 })
        #expect(await refusal(verifier, token).contains(words))
    }

    @Test("that are for some audience are refused where none is ours")
    func audience() async throws {
        let issuer = try await Issuer()
        let set = try issuer.set()
        let token = try await issuer.token("ec", Self.good.merging(["aud": .text("x")]) { $1 })
        #expect(await refusal(verifier { set }, token).contains("another audience"))
    }

    @Test("cannot choose how they are checked: alg confusion")
    func confusion() async throws {
        let issuer = try await Issuer()
        let set = try issuer.set()
        let verifier = verifier { set }
        let payload = Issuer.url(Array(#"{"sub":"usr_1","role":"admin","exp":1800000600}"#.utf8))
        func forged(_ header: String, _ sign: (String) -> [UInt8]) -> String {
            let signed = Issuer.url(Array(header.utf8)) + "." + payload
            return signed + "." + Issuer.url(sign(signed))
        }
        // The public key as the secret of an HMAC, in the forms that a library may keep it in.
        let modulus = try issuer.rsa.publicKey.getKeyPrimitives().modulus
        for secret in [Data(issuer.rsa.publicKey.pemRepresentation.utf8), modulus] {
            for kid in ["rsa", "ec"] {
                let token = forged(#"{"alg":"HS256","kid":"\#(kid)"}"#) { signed in
                    Array(
                        HMAC<Crypto.SHA256>.authenticationCode(
                            for: Data(signed.utf8), using: SymmetricKey(data: secret)))
                }
                #expect(await refusal(verifier, token).contains("signed with none of"))
            }
        }
        for algorithm in ["none", "None", "NONE", "", "RS1", "PS256"] {
            #expect(
                await refusal(verifier, forged(#"{"alg":"\#(algorithm)","kid":"rsa"}"#) { _ in [] })
                    .contains("signed with none of"))
        }
        #expect(
            await refusal(verifier, forged(#"{"alg":"ES256","kid":"rsa"}"#) { _ in [0] }).contains(
                "its key is for RS256"))
        #expect(await refusal(verifier, forged(#"{"alg":"RS256","kid":"rsa"}"#) { _ in [] }).contains("signature"))
        #expect(
            await refusal(verifier, forged(#"{"alg":"RS256","kid":"rsa","crit":["b64"],"b64":false}"#) { _ in [0] })
                .contains("extensions"))
        // A key that the token brings itself.
        let own = try await Issuer()
        let jwk = try JSONDecoder().decode([String: [[String: String]]].self, from: Data(try own.set(["ec"])))
        let header =
            #"{"alg":"ES256","kid":"ec","jwk":\#(String(decoding: try JSONEncoder().encode(jwk["keys"]?[0]), as: UTF8.self))}"#
        let signature = try await own.token("ec", Self.good)
        let token =
            Issuer.url(Array(header.utf8)) + "." + signature.split(separator: ".").dropFirst().joined(separator: ".")
        #expect(await refusal(verifier, token).contains("signature"))
    }

    @Test(
        "that are no tokens are refused",
        arguments: [
            "", ".", "..", "...", "a.b.c", "e30.e30.", "e30.e30.AA==", "e30.e30.A A", "W10.e30.AA",
            "eyJhbGciOiJSUzI1NiIsImFsZyI6IkVTMjU2In0.e30.AA",
        ])
    func malformed(_ token: String) async throws {
        let issuer = try await Issuer()
        let set = try issuer.set()
        let words = await refusal(verifier { set }, token)
        #expect(words.contains("no JWT") || words.contains("signed with none of"))
    }

    @Test("that are huge are not looked at")
    func huge() async throws {
        let issuer = try await Issuer()
        let set = try issuer.set()
        let token = try await issuer.token(
            "ec", Self.good.merging(["x": .text(String(repeating: "x", count: 9000))]) { $1 })
        #expect(await refusal(verifier { set }, token).contains("longer than"))
    }

    @Test("of a key that was made since are taken, and of one that was taken back are not")
    func rotation() async throws {
        let issuer = try await Issuer()
        let published = NIOLockedValueBox(try issuer.set(["ec"]))
        let loads = NIOLockedValueBox(0)
        let clock = NIOLockedValueBox(ContinuousClock.now)
        let source = JWKSource("test", refreshInterval: .seconds(600), cooldown: .seconds(30)) {
            loads.withLockedValue { $0 += 1 }
            return published.withLockedValue { $0 }
        }
        let keys = JWKSet(source, now: { clock.withLockedValue { $0 } })
        let verifier = JWKSVerifier(.init(source), keys: keys)
        let (old, new) = (try await issuer.token("ec", Self.good), try await issuer.token("ed", Self.good))
        #expect(await refusal(verifier, old).hasPrefix("taken"))
        published.withLockedValue { $0 = (try? issuer.set(["ed"])) ?? [] }
        // However many come, it is asked at most every so often.
        for _ in 0..<20 { #expect(await refusal(verifier, new).contains("not known")) }
        #expect(loads.withLockedValue { $0 } == 1)
        clock.withLockedValue { $0 += .seconds(31) }
        #expect(await refusal(verifier, new).hasPrefix("taken"))
        #expect(loads.withLockedValue { $0 } == 2)
        #expect(await refusal(verifier, old).contains("not known"))
        // Without an unknown key, a key that was taken back goes with the next look.
        published.withLockedValue { $0 = (try? issuer.set(["ec"])) ?? [] }
        #expect(await refusal(verifier, new).hasPrefix("taken"))
        clock.withLockedValue { $0 += .seconds(601) }
        #expect(await refusal(verifier, new).contains("not known"))
        #expect(await refusal(verifier, old).hasPrefix("taken"))
    }

    @Test("are taken while the keys cannot be read, for a day")
    func away() async throws {
        struct Away: Error {}
        let issuer = try await Issuer()
        let set = try issuer.set()
        let isAway = NIOLockedValueBox(true)
        let clock = NIOLockedValueBox(ContinuousClock.now)
        let source = JWKSource("test", refreshInterval: .seconds(600), cooldown: .seconds(30)) {
            if isAway.withLockedValue({ $0 }) { throw Away() }
            return set
        }
        let verifier = JWKSVerifier(
            .init(source), keys: JWKSet(source, now: { clock.withLockedValue { $0 } }))
        let token = try await issuer.token("ec", Self.good)
        await #expect { try await verifier.verify(token, at: Self.now) } throws: {
            ($0 as? JWKSFailure)?.code == .unavailable
        }
        isAway.withLockedValue { $0 = false }
        clock.withLockedValue { $0 += .seconds(31) }
        #expect(await refusal(verifier, token).hasPrefix("taken"))
        isAway.withLockedValue { $0 = true }
        clock.withLockedValue { $0 += .seconds(3600) }
        #expect(await refusal(verifier, token).hasPrefix("taken"))
        clock.withLockedValue { $0 += .seconds(86_400) }
        #expect(await refusal(verifier, token).contains("cannot be had"))
    }

    @Test("need a key that is good for it: others of the set are left out")
    func unusable() async throws {
        let issuer = try await Issuer()
        let short = try Issuer.run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
        #expect(short.contains("BEGIN"))
        let set = try issuer.set(
            ["ec"],
            [
                ["kty": "oct", "kid": "oct", "k": "c2VjcmV0", "alg": "HS256"],
                ["kty": "RSA", "kid": "bad", "n": "AQ", "e": "AQAB"],
                ["kty": "EC", "crv": "P-256", "kid": "off", "x": "AQ", "y": "AQ"], ["kty": "ML", "kid": "new"],
                ["kty": "RSA", "kid": "enc", "use": "enc", "n": "AQ", "e": "AQAB"],
            ])
        #expect(try await JWKSet.keys(in: set).map(\.id) == ["ec"])
        await #expect(throws: (any Error).self) { try await JWKSet.keys(in: Array("{}".utf8)) }
        await #expect(throws: (any Error).self) { try await JWKSet.keys(in: Array("<html>".utf8)) }
    }

    @Test("without a kid are taken where there is one key")
    func only() async throws {
        let issuer = try await Issuer()
        let keys = JWTKeyCollection()
        await keys.add(ecdsa: issuer.ecdsa)
        let token = try await keys.sign(Payload(members: Self.good))
        let (one, all) = (try issuer.set(["ec"]), try issuer.set())
        #expect(await refusal(verifier { one }, token).hasPrefix("taken"))
        #expect(await refusal(verifier { all }, token).contains("names no key"))
    }

    @Test("are checked with the keys of a file, and of no plain URL")
    func file() async throws {
        let issuer = try await Issuer()
        let path = "/tmp/paddock-jwks-\(UInt64.random(in: 0...UInt64.max)).json"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(try issuer.set()).write(to: URL(filePath: path))
        let verifier = JWKSVerifier(.init(try JWKSource(path)))
        let token = try await issuer.token("rsa", Self.good)
        #expect(await refusal(verifier, token).hasPrefix("taken"))
        #expect(throws: JWKSource.Invalid.self) { try JWKSource("http://example.com/keys") }
        #expect(throws: JWKSource.Invalid.self) { try JWKSource("http://127.0.0.1.example.com/keys") }
    }
}
