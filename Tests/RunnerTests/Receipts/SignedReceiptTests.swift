import DockerAPI
import Entitlements
import Foundation
import Testing

@testable import Runner

@Suite("Signed receipts")
struct SignedReceiptTests {
    private let key = SigningKey()
    private var keys: [VerificationKey] { [key.verificationKey] }

    private func document() throws -> JSONValue {
        try JSONValue(parsing: key.sign(ReceiptFixture.receipt()).serialized())
    }

    private func fault(_ text: [UInt8], _ keys: [VerificationKey]? = nil) -> ReceiptFault? {
        do {
            _ = try SignedReceipt(parsing: text).verified(with: keys ?? self.keys)
            return nil
        } catch {
            return error as? ReceiptFault ?? ReceiptFault(.changed, "another error: \(error)")
        }
    }

    @Test("what was signed is what comes back")
    func valid() throws {
        let receipt = try ReceiptFixture.receipt()
        let text = try key.sign(receipt).serialized()
        let signed = try SignedReceipt(parsing: text)
        #expect(signed.keyID == key.verificationKey.id)
        #expect(try signed.verified(with: keys) == receipt)
        #expect(try signed.serialized() == text)
        #expect(receipt.input == ContentDigest(of: Array(#"{"a":1}"#.utf8)))
        #expect(receipt.output == ContentDigest(of: Array(#"{"n":0.5}"#.utf8)))
        #expect(receipt.log.stdout == ContentDigest(of: Array("out\n".utf8)))
        #expect(receipt.log.stderr == ContentDigest(of: Array("err\n".utf8)))
    }

    @Test("an execution that never came to a sandbox has a receipt too, with null for what there was not")
    func neverRan() throws {
        var execution = Execution(
            id: ExecutionID(), agentID: "agt_local", userID: "usr_local", image: "sha256:0", status: .failed,
            createdAt: Date(), limits: try LimitsRequest().resolved())
        execution.reason = .engineError
        execution.finishedAt = Date()
        let receipt = try Receipt(
            of: execution, input: Array("{}".utf8), log: LogDigest().log(droppedBytes: 0), policy: nil)
        let text = try key.sign(receipt).serialized()
        #expect(try SignedReceipt(parsing: text).verified(with: keys) == receipt)
        let value = try JSONValue(parsing: text)["receipt"]
        for key in ["exitCode", "signal", "startedAt", "runtime", "output", "policy", "audit"] {
            #expect(value?[key] == .null, "\(key)")
        }
    }

    @Test("a document that was formatted anew still holds")
    func reformatted() throws {
        let document = try document()
        #expect(fault(try document.serialized()) == nil)
        #expect(fault(try document.canonical()) == nil)
        let foundation = try JSONSerialization.jsonObject(with: Data(try document.serialized()))
        let again = try JSONSerialization.data(withJSONObject: foundation, options: .prettyPrinted)
        #expect(fault([UInt8](again)) == nil)
    }

    @Test("no field can be changed, taken away or added")
    func tampering() throws {
        let document = try document()
        guard case .object(let members) = document, let receipt = members["receipt"] else {
            Issue.record("no receipt")
            return
        }
        var paths: Set<String> = []
        for change in receipt.tamperings {
            let text = try JSONValue.object(members.merging(["receipt": change.value]) { $1 }).serialized()
            #expect(fault(text)?.code == .changed, "\(change.path)")
            paths.insert(change.path)
        }
        for path in [".id", ".image", ".exitCode", ".usage.wallMs", ".log.stdout.sha256", ".policy.held.CapEff"] {
            #expect(paths.contains(path), "not tried: \(path)")
        }
    }

    @Test("nothing beside the receipt can be changed, taken away or added")
    func envelope() throws {
        for change in try document().tamperings where !change.path.hasPrefix(".receipt") {
            #expect(fault(try change.value.serialized()) != nil, "\(change.path)")
        }
    }

    @Test("no bit of the signature can be changed")
    func signature() throws {
        guard case .object(var members) = try document(), case .string(let encoded) = members["signature"],
            let signature = Data(base64Encoded: encoded)
        else {
            Issue.record("no signature")
            return
        }
        for bit in 0..<512 {
            var changed = [UInt8](signature)
            changed[bit / 8] ^= 1 << (bit % 8)
            members["signature"] = .string(Data(changed).base64EncodedString())
            #expect(fault(try JSONValue.object(members).serialized())?.code == .changed, "bit \(bit)")
        }
    }

    @Test("what is cut short is no receipt")
    func truncated() throws {
        let text = try document().serialized()
        for length in 0..<text.count { #expect(fault(Array(text.prefix(length)))?.code == .notAReceipt) }
    }

    @Test(
        "what is no receipt is told as such",
        arguments: [
            "", "null", "[]", "{}", "\u{0}\u{1}", "{\"receipt\":{}}", String(repeating: "[", count: 100_000),
            #"{"algorithm":"none","keyId":"","receipt":{},"signature":""}"#,
            #"{"algorithm":"Ed25519","keyId":"x","receipt":{},"signature":"","receipt":{}}"#,
        ])
    func garbage(text: String) {
        #expect(fault(Array(text.utf8))?.code == .notAReceipt)
    }

    @Test("random bytes are no receipt, and crash nothing")
    func random() throws {
        let text = try document().serialized()
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            var changed = text
            for _ in 0..<Int.random(in: 1...8) {
                changed[Int.random(in: 0..<changed.count)] = UInt8(truncatingIfNeeded: generator.next())
            }
            if let original = try? JSONValue(parsing: changed), try original.canonical() == document().canonical() {
                continue
            }
            #expect(changed == text || fault(changed) != nil)
        }
    }

    @Test("another key is told as such")
    func wrongKey() throws {
        let text = try document().serialized()
        let found = try #require(fault(text, [SigningKey().verificationKey]))
        #expect(found.code == .unknownKey)
        #expect(found.message.contains(key.verificationKey.id.prefix(16)))
    }

    @Test("a signature of another key under the name of a known one does not hold")
    func forged() throws {
        let signed = try JSONValue(parsing: SigningKey().sign(ReceiptFixture.receipt()).serialized())
        guard case .object(var members) = signed else {
            Issue.record("a signed receipt is no object")
            return
        }
        members["keyId"] = .string(key.verificationKey.id)
        #expect(fault(try JSONValue.object(members).serialized())?.code == .changed)
    }

    @Test("a key that is retired holds for what ended before, and for nothing later")
    func retired() throws {
        let receipt = try ReceiptFixture.receipt()
        let text = try key.sign(receipt).serialized()
        #expect(fault(text, [key.verificationKey.retired(at: receipt.finishedAt)]) == nil)
        #expect(fault(text, [key.verificationKey.retired(at: nil)]) == nil)
        let before = (Date(timeIntervalSince1970: 1_795_000_000.499)).rfc3339
        #expect(fault(text, [key.verificationKey.retired(at: before)])?.code == .retiredKey)
    }

    @Test("something else that the key has signed is no receipt")
    func otherType() throws {
        guard case .object(let members) = try JSONValue(encoding: ReceiptFixture.receipt()) else {
            Issue.record("a receipt is no object")
            return
        }
        let other = JSONValue.object(members.merging(["type": .string("paddock.receipt.v2")]) { $1 })
        let text = try key.sign(value: other).serialized()
        let found = try #require(fault(text))
        #expect(found.code == .notAReceipt)
        #expect(found.message.contains("must be paddock.receipt.v1"), "\(found.message)")
    }

    @Test("an execution that goes on has no receipt")
    func notEnded() throws {
        let execution = Execution(
            id: ExecutionID(), agentID: "a", userID: "u", image: "i", status: .running, createdAt: Date(),
            limits: try LimitsRequest().resolved())
        #expect(throws: Receipt.NotEnded.self) {
            try Receipt(
                of: execution, input: Array("1".utf8), log: LogDigest().log(droppedBytes: 0), policy: nil)
        }
    }

    @Test("the log's hashes do not depend on the pieces that it came in")
    func logPieces() {
        let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0) }
        var pieces = LogDigest()
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Int.random(in: 1...700)
            pieces.update(rest.prefix(count), of: .stdout)
            pieces.update([1], of: .stderr)
            rest = rest.dropFirst(count)
        }
        #expect(pieces.log(droppedBytes: 0).stdout == ContentDigest(of: bytes))
        #expect(pieces.log(droppedBytes: 0).stderr.sha256 != ContentDigest(of: bytes).sha256)
    }
}
