import Foundation
import Testing

@testable import Runner

@Suite("The audit trail's chain")
struct AuditTests {
    private let trail: [AuditEntry]

    init() throws {
        var head = AuditHead.empty
        var entries: [AuditEntry] = []
        for number in 1...12 {
            let entry = try AuditEntry(
                after: head, time: Date(timeIntervalSince1970: 1_795_000_000 + Double(number)), actor: "usr_1",
                action: "execution.created", subject: "exe_\(number)",
                details: .object(["n": .integer(Int64(number)), "cpus": .number(0.5)]))
            entries.append(entry)
            head = entry.head
        }
        trail = entries
    }

    private func fault(
        _ entries: [AuditEntry], from start: AuditHead = .empty, known: AuditHead? = nil
    ) -> AuditVerifier.Fault? {
        do {
            try AuditVerifier.verify(entries, from: start, known: known)
            return nil
        } catch {
            return error as? AuditVerifier.Fault
        }
    }

    /// The entry with some of it replaced; with its hash made anew, if that is asked for.
    private func changed(
        _ entry: AuditEntry, time: String? = nil, actor: String? = nil, action: String? = nil, subject: String? = nil,
        details: JSONValue? = nil, previousHash: String? = nil, isRehashed: Bool = false
    ) throws -> AuditEntry {
        func make(_ hash: String) -> AuditEntry {
            AuditEntry(
                sequence: entry.sequence, time: time ?? entry.time, actor: actor ?? entry.actor,
                action: action ?? entry.action, subject: subject ?? entry.subject, details: details ?? entry.details,
                previousHash: previousHash ?? entry.previousHash, hash: hash)
        }
        return make(isRehashed ? try make("").computedHash() : entry.hash)
    }

    /// All entries from this one on, chained anew after the one before it: what somebody can do who may write them all.
    private func rewritten(from index: Int) throws -> [AuditEntry] {
        var entries = Array(trail[..<index])
        for entry in trail[index...] {
            entries.append(
                try changed(
                    entry, actor: "usr_2", previousHash: entries.last?.hash ?? AuditHead.empty.hash, isRehashed: true))
        }
        return entries
    }

    @Test("a trail that nobody touched holds, empty ones too")
    func whole() throws {
        let head = try #require(trail.last?.head)
        #expect(try AuditVerifier.verify(trail, known: head) == head)
        #expect(try AuditVerifier.verify([]) == .empty)
        #expect(trail.first?.previousHash == AuditHead.empty.hash)
        // What has been added since does not matter to who knew an earlier head.
        for entry in trail { #expect(fault(trail, known: entry.head) == nil) }
    }

    @Test("any entry that is taken away is named", arguments: 1...12)
    func removed(sequence: Int) {
        var entries = trail
        entries.remove(at: sequence - 1)
        let fault = fault(entries, known: trail.last?.head)
        #expect(fault?.code == .removed)
        #expect(fault?.sequence == Int64(sequence))
    }

    @Test("a trail that was cut at its end is found, given its head", arguments: 0...11)
    func cut(count: Int) {
        let entries = Array(trail.prefix(count))
        #expect(fault(entries) == nil)
        let fault = fault(entries, known: trail.last?.head)
        #expect(fault?.code == .removed)
        #expect(fault?.sequence == Int64(count + 1))
    }

    @Test("any change in an entry is found and named", arguments: 0..<12)
    func change(index: Int) throws {
        let entry = trail[index]
        let changes = [
            try changed(entry, time: "2026-11-21T10:00:00.000Z"), try changed(entry, actor: "usr_2"),
            try changed(entry, action: "execution.canceled"), try changed(entry, subject: "exe_0"),
            try changed(entry, details: .null), try changed(entry, details: .object(["n": .integer(0)])),
            try changed(entry, previousHash: AuditHead.empty.hash + "0"),
        ]
        for change in changes {
            var entries = trail
            entries[index] = change
            let fault = fault(entries)
            #expect(fault?.code == .changed)
            #expect(fault?.sequence == entry.sequence)
        }
    }

    @Test("an entry that was changed and hashed anew is found at the one that follows it", arguments: 0..<11)
    func rehashed(index: Int) throws {
        var entries = trail
        entries[index] = try changed(entries[index], actor: "usr_2", isRehashed: true)
        #expect(fault(entries)?.sequence == Int64(index + 2))
        #expect(fault(entries, known: trail[index].head)?.sequence == Int64(index + 1))
    }

    @Test("two entries that changed places are found", arguments: 0..<11)
    func swapped(index: Int) {
        var entries = trail
        entries.swapAt(index, index + 1)
        #expect(fault(entries)?.sequence == Int64(index + 1))
        // With their numbers changed to fit.
        func renumbered(_ entry: AuditEntry, _ sequence: Int64) -> AuditEntry {
            AuditEntry(
                sequence: sequence, time: entry.time, actor: entry.actor, action: entry.action,
                subject: entry.subject, details: entry.details, previousHash: entry.previousHash, hash: entry.hash)
        }
        entries[index] = renumbered(entries[index], Int64(index + 1))
        entries[index + 1] = renumbered(entries[index + 1], Int64(index + 2))
        #expect(fault(entries)?.sequence == Int64(index + 1))
    }

    @Test("an entry that is there twice is found")
    func twice() {
        var entries = trail
        entries.insert(entries[4], at: 5)
        #expect(fault(entries)?.code == .moved)
        #expect(fault(entries)?.sequence == 5)
    }

    @Test("a trail that was written anew from some entry on is found by any head that was known since")
    func rewritten() throws {
        let entries = try rewritten(from: 5)
        #expect(fault(entries) == nil)
        #expect(fault(entries, known: trail[4].head) == nil)
        for index in 5..<12 {
            let fault = fault(entries, known: trail[index].head)
            #expect(fault?.code == .changed)
            #expect(fault?.sequence == Int64(index + 1))
        }
    }

    @Test("a trail whose oldest entries were dropped is checked from there")
    func dropped() {
        let rest = Array(trail[6...])
        #expect(fault(rest, from: trail[5].head, known: trail[11].head) == nil)
        #expect(fault(rest, from: trail[5].head, known: trail[5].head) == nil)
        #expect(fault(rest, from: trail[4].head)?.sequence == 6)
        #expect(fault(rest, from: trail[5].head, known: trail[2].head)?.code == .removed)
    }

    @Test("an entry's hash is that of its canonical form, which anybody can compute")
    func hash() throws {
        let text = #"""
            {"action":"execution.created","actor":"usr_1","details":{"cpus":0.5,"n":1},"previousHash":"\#(
                AuditHead.empty.hash)","sequence":1,"subject":"exe_1","time":"2026-11-18T11:06:41.000Z","type":"paddock.audit.v1"}
            """#
        #expect(trail[0].time == "2026-11-18T11:06:41.000Z")
        #expect(trail[0].hash == ContentDigest(of: Array(text.utf8)).sha256)
    }
}
