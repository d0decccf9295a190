import Foundation
import Testing

@testable import Entitlements

@Suite("Limits")
struct LimitsTests {
    @Test("the defaults are the contract's")
    func defaults() throws {
        let limits = try LimitsRequest().resolved()
        #expect(limits.memoryMiB == 512)
        #expect(limits.cpus == 0.5)
        #expect(limits.pids == 128)
        #expect(limits.timeoutSeconds == 60)
        #expect(limits.cpuSeconds == nil)
        #expect(limits.tmpMiB == 64)
        #expect(limits.tmpInodes == 16384)
        #expect(limits.logMiB == 16)
        #expect(limits.outputKiB == 1024)
        #expect(limits.openFiles == 1024)
        #expect(limits.graceSeconds == 10)
    }

    @Test("what is asked first wins over what is asked next")
    func over() throws {
        var flags = LimitsRequest()
        flags.memoryMiB = 256
        var manifest = LimitsRequest()
        manifest.memoryMiB = 128
        manifest.pids = 32
        let limits = try flags.over(manifest).resolved()
        #expect(limits.memoryMiB == 256)
        #expect(limits.pids == 32)
    }

    @Test("a smaller memory limit gets a smaller /tmp, unless one is asked for")
    func smallMemory() throws {
        var request = LimitsRequest()
        request.memoryMiB = 64
        #expect(try request.resolved().tmpMiB == 8)
        request.tmpMiB = 64
        #expect(throws: Limits.Invalid.self) { try request.resolved() }
    }

    @Test(
        "a value out of range names the limit",
        arguments: [
            (["memoryMiB": 8], "memoryMiB"), (["pids": 0], "pids"), (["tmpMiB": 0], "tmpMiB"),
            (["logMiB": 0], "logMiB"), (["outputKiB": 0], "outputKiB"), (["openFiles": 1], "openFiles"),
            (["cpus": 0], "cpus"), (["timeoutSeconds": 0], "timeoutSeconds"), (["cpuSeconds": 0], "cpuSeconds"),
            (["graceSeconds": -1], "graceSeconds"),
            // 32,768 processes hold 3 GiB of kernel memory.
            (["pids": 32768], "memoryMiB"),
        ] as [([String: Int], String)])
    func range(asked: [String: Int], name: String) throws {
        let request = try JSONDecoder().decode(LimitsRequest.self, from: JSONEncoder().encode(asked))
        let error = #expect(throws: Limits.Invalid.self) { try request.resolved() }
        #expect(error?.name == name)
    }
}
