import DatabaseFixtures
import Foundation
import Storage
import Testing

@testable import Runner

@Suite("Sealed secrets")
struct SecretBoxTests {
    private let secrets: [String: [UInt8]] = ["token": Array("s3cret-value".utf8), "raw": [0, 255, 10]]

    @Test("come out as they went in, for the same execution and with the same key only")
    func sealed() async throws {
        try await withTemporaryFolder { folder in
            let (box, id) = (SecretBox(stateFolder: folder), ExecutionID())
            let sealed = try box.seal(secrets, for: id)
            #expect(try SecretBox(stateFolder: folder).open(sealed, of: id) == secrets)
            #expect(throws: SecretBox.Failure.self) { try box.open(sealed, of: ExecutionID()) }
            var changed = sealed
            changed[20] ^= 1
            #expect(throws: SecretBox.Failure.self) { try box.open(changed, of: id) }
            _ = try await withTemporaryFolder { other in
                #expect(throws: SecretBox.Failure.self) { try SecretBox(stateFolder: other).open(sealed, of: id) }
            }
        }
    }

    @Test("are nowhere in the database in the clear, and are gone with the end", arguments: Backend.allCases)
    func stored(backend: Backend) async throws {
        try await withTemporaryFolder { folder in
            try await backend.withDatabase { database async throws in
                try await database.migrate()
                let (box, id) = (SecretBox(stateFolder: folder), ExecutionID())
                try await database.transaction { transaction in
                    try await ExecutionQueue().submit(
                        .init(id: id.description, userID: "u", agentID: nil, request: "{}", patience: .seconds(60)),
                        in: transaction)
                    try await box.store(secrets, for: id, in: transaction)
                }
                #expect(try await box.load(id, from: database) == secrets)
                let row = try await database.query("SELECT sealed FROM execution_secrets").first
                let sealed: [UInt8] = try #require(try row?["sealed"])
                #expect(!String(decoding: sealed, as: UTF8.self).contains("s3cret"))
                try await ExecutionCanceller(database).cancel(id, actor: "u")
                #expect(try await box.load(id, from: database).isEmpty)
            }
        }
    }

    @Test("a key that others could read is refused")
    func open() async throws {
        try await withTemporaryFolder { folder in
            let (box, id) = (SecretBox(stateFolder: folder), ExecutionID())
            _ = try box.seal(secrets, for: id)
            try FileManager.default.setAttributes(
                [.posixPermissions: 0o644], ofItemAtPath: folder + "/keys/secrets.key")
            #expect(throws: KeyFolder.Failure.self) { try box.seal(secrets, for: id) }
        }
    }
}
