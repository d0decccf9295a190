import Foundation
import Testing

@testable import Runner

@Suite("The keys of receipts")
struct KeyFolderTests {
    private func mode(_ path: String) throws -> Int {
        try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    @Test("a key is made once, for its owner only")
    func made() async throws {
        try await ReceiptFixture.withFolder { folder in
            let keys = KeyFolder(stateFolder: folder)
            #expect(try keys.verificationKeys().isEmpty)
            #expect(!FileManager.default.fileExists(atPath: folder + "/keys"))
            let first = try keys.signingKey().verificationKey
            #expect(try keys.signingKey().verificationKey == first)
            #expect(try keys.verificationKeys() == [first])
            #expect(try mode(folder + "/keys") == 0o700)
            #expect(try mode(folder + "/keys/signing.pem") == 0o600)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/keys") == ["signing.pem"])
        }
    }

    @Test("of many that make the key at once, all get the same")
    func race() async throws {
        try await ReceiptFixture.withFolder { folder in
            let ids = try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<32 {
                    group.addTask { try KeyFolder(stateFolder: folder).signingKey().verificationKey.id }
                }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(ids.count == 1)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/keys") == ["signing.pem"])
        }
    }

    @Test("a key that others could have used is refused", arguments: [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o777])
    func wideMode(mode: mode_t) async throws {
        try await ReceiptFixture.withFolder { folder in
            let keys = KeyFolder(stateFolder: folder)
            let old = try keys.signingKey().verificationKey
            chmod(folder + "/keys/signing.pem", mode)
            let failure = #expect(throws: KeyFolder.Failure.self) { try keys.signingKey() }
            #expect(failure?.description.contains("its mode is 0\(String(mode, radix: 8))") == true)
            #expect(throws: KeyFolder.Failure.self) { try keys.verificationKeys() }
            // Which is how to go on where it may have been read.
            let (new, retired) = try keys.rotate()
            #expect(retired?.id == old.id)
            #expect(try keys.signingKey().verificationKey == new)
        }
    }

    @Test("a folder in which others could put a key is refused", arguments: [0o720, 0o702, 0o777])
    func wideFolder(mode: mode_t) async throws {
        try await ReceiptFixture.withFolder { folder in
            let keys = KeyFolder(stateFolder: folder)
            _ = try keys.signingKey()
            chmod(folder + "/keys", mode)
            #expect(throws: KeyFolder.Failure.self) { try keys.signingKey() }
            #expect(throws: KeyFolder.Failure.self) { try keys.verificationKeys() }
            #expect(throws: KeyFolder.Failure.self) { try keys.rotate() }
        }
    }

    @Test("somebody else's key is refused", .enabled(if: geteuid() == 0, "only root can give a file away; CI is root"))
    func owner() async throws {
        try await ReceiptFixture.withFolder { folder in
            let keys = KeyFolder(stateFolder: folder)
            _ = try keys.signingKey()
            chown(folder + "/keys/signing.pem", 12345, 0)
            let failure = #expect(throws: KeyFolder.Failure.self) { try keys.signingKey() }
            #expect(failure?.description.contains("belongs to user 12345") == true)
            chown(folder + "/keys/signing.pem", 0, 0)
            chown(folder + "/keys", 12345, 0)
            #expect(throws: KeyFolder.Failure.self) { try keys.signingKey() }
        }
    }

    @Test("a symbolic link, a pipe, a folder and what is no key are refused")
    func wrongFile() async throws {
        try await ReceiptFixture.withFolder { folder in
            let keys = KeyFolder(stateFolder: folder)
            let file = folder + "/keys/signing.pem"
            _ = try keys.signingKey()
            rename(file, folder + "/elsewhere.pem")
            symlink(folder + "/elsewhere.pem", file)
            #expect(throws: KeyFolder.Failure.self) { try keys.signingKey() }
            unlink(file)
            mkfifo(file, 0o600)
            #expect(throws: KeyFolder.Failure.self) { try keys.signingKey() }
            unlink(file)
            mkdir(file, 0o700)
            #expect(throws: KeyFolder.Failure.self) { try keys.signingKey() }
            rmdir(file)
            for text in ["", "x", SigningKey().verificationKey.pem, SigningKey().pem.replacing("MC4C", with: "MC4D")] {
                try Data(text.utf8).write(to: URL(filePath: file))
                chmod(file, 0o600)
                #expect(throws: KeyFolder.Failure.self) { try keys.signingKey() }
                #expect(throws: KeyFolder.Failure.self) { try keys.rotate() }
            }
        }
    }

    @Test("after a rotation the new key signs, and what the old ones signed still holds")
    func rotation() async throws {
        try await ReceiptFixture.withFolder { folder in
            let keys = KeyFolder(stateFolder: folder)
            var signed: [SignedReceipt] = []
            var ids: [String] = []
            for _ in 0..<4 {
                let key = try keys.signingKey()
                ids.append(key.verificationKey.id)
                signed.append(try key.sign(ReceiptFixture.receipt(finishedAt: Date())))
                let (new, retired) = try keys.rotate()
                #expect(retired?.id == key.verificationKey.id)
                #expect(retired?.retiredAt != nil)
                #expect(try keys.signingKey().verificationKey == new)
            }
            let known = try keys.verificationKeys()
            #expect(Set(known.dropFirst().map(\.id)) == Set(ids))
            #expect(known.first?.retiredAt == nil && known.dropFirst().allSatisfy { $0.retiredAt != nil })
            for receipt in signed { _ = try receipt.verified(with: known) }
            #expect(try mode(folder + "/keys/signing.pem") == 0o600)
        }
    }

    @Test("an old key is taken for nothing that ended after it was retired")
    func stolen() async throws {
        try await ReceiptFixture.withFolder { folder in
            let keys = KeyFolder(stateFolder: folder)
            let stolen = try keys.signingKey()
            _ = try keys.rotate()
            let forged = try stolen.sign(ReceiptFixture.receipt(finishedAt: Date() + 1))
            let known = try keys.verificationKeys()
            let fault = #expect(throws: ReceiptFault.self) { try forged.verified(with: known) }
            #expect(fault?.code == .retiredKey)
        }
    }

    @Test("the first rotation of all only makes a key")
    func firstRotation() async throws {
        try await ReceiptFixture.withFolder { folder in
            let keys = KeyFolder(stateFolder: folder)
            let (new, retired) = try keys.rotate()
            #expect(retired == nil)
            #expect(try keys.verificationKeys() == [new])
        }
    }

    @Test("of rotations at once, no key is lost that may have signed")
    func rotationRace() async throws {
        try await ReceiptFixture.withFolder { folder in
            let seen = try await withThrowingTaskGroup(of: [String].self) { group in
                for _ in 0..<16 {
                    group.addTask {
                        let keys = KeyFolder(stateFolder: folder)
                        var ids = [try keys.signingKey().verificationKey.id]
                        // One that comes while another is at it is told so.
                        if let done = try? keys.rotate() { ids.append(done.new.id) }
                        ids.append(try keys.signingKey().verificationKey.id)
                        return ids
                    }
                }
                return try await group.reduce(into: Set<String>()) { $0.formUnion($1) }
            }
            let known = Set(try KeyFolder(stateFolder: folder).verificationKeys().map(\.id))
            #expect(seen.isSubset(of: known))
            #expect(known.count > 1)
        }
    }

    @Test("a rotation that was broken off half-way leaves the old key in use, and can be done again")
    func brokenOff() async throws {
        try await ReceiptFixture.withFolder { folder in
            let keys = KeyFolder(stateFolder: folder)
            let old = try keys.signingKey().verificationKey
            let record = try JSONEncoder().encode(old.retired(at: nil))
            try record.write(to: URL(filePath: "\(folder)/keys/retired-\(old.id).json"))
            try Data("half".utf8).write(to: URL(filePath: "\(folder)/keys/signing.pem.new"))
            try Data("half".utf8).write(to: URL(filePath: "\(folder)/keys/retired-\(old.id).json.new"))
            #expect(try keys.verificationKeys() == [old])
            let (new, _) = try keys.rotate()
            let known = try keys.verificationKeys()
            #expect(known.map(\.id) == [new.id, old.id])
            #expect(known.last?.retiredAt != nil)
        }
    }

    @Test("public keys are read from PEM, with text around them")
    func pem() throws {
        let keys = [SigningKey().verificationKey, SigningKey().verificationKey]
        let text = "one\n" + keys[0].pem + "\nkey 2, retired\n" + keys[1].pem.replacing("\n", with: "\r\n")
        #expect(try VerificationKey.keys(pem: text) == keys)
        let broken = [
            "", "x", SigningKey().pem, "-----BEGIN PUBLIC KEY-----", keys[0].pem.replacing("MCow", with: "MCox"),
            keys[0].pem.replacing("-----END", with: "AAAA\n-----END"),
            keys[0].pem.replacing("-----END PUBLIC KEY-----", with: "") + keys[1].pem,
        ]
        for text in broken {
            #expect(throws: VerificationKey.Invalid.self) { try VerificationKey.keys(pem: text) }
        }
    }
}
