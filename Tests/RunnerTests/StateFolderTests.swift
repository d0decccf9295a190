import Foundation
import Testing

@testable import Runner

@Suite("The state folder")
struct StateFolderTests {
    private func withFolder(_ body: (StateFolder) throws -> Void) throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "paddock-state-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: path) }
        try body(StateFolder(environment: ["PADDOCK_STATE_DIR": path.path()]))
    }

    @Test("a folder's user ids are its own, and in the range that nobody else gives out")
    func userIDs() {
        let first = (0..<1000).map { _ in SandboxUser.first(in: LaunchFrame.makeNonce()) }
        #expect(first.allSatisfy { $0 >= 1_900_000_000 && $0 <= (1 << 31) - UInt32(SandboxUser.count) })
        #expect(first.allSatisfy { ($0 - 1_900_000_000) % UInt32(SandboxUser.count) == 0 })
        #expect(Set(first).count > 980)
        #expect(SandboxUser.first(in: "0123456789abcdef") == SandboxUser.first(in: "0123456789abcdef"))
    }

    @Test("sandboxes at the same time have neither their user id nor a file in common")
    func apart() throws {
        try withFolder { folder in
            let users = [try folder.lockUser(), try folder.lockUser()]
            #expect(users[1].uid == users[0].uid + 1)
            let files = try users.map { user in
                let files = try folder.files(uid: user.uid)
                return Set([files.initBinary, files.passwd, files.hosts, try folder.recorder(uid: user.uid)])
            }
            #expect(files[0].count == 4 && files[0].isDisjoint(with: files[1]))
        }
    }

    @Test("files that are there are not written again")
    func writtenOnce() throws {
        try withFolder { folder in
            func inode() throws -> UInt64? {
                let path = try folder.files(uid: 7).initBinary
                return try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? UInt64
            }
            let first = try inode()
            let second = try inode()
            #expect(first != nil && first == second)
        }
    }
}
