import Testing

@testable import DockerAPI
@testable import Runner

@Suite("What the doctor says of the host")
struct HostCheckTests {
    private func check(_ subject: String, _ info: String) throws -> HostCheck {
        let info: EngineInfo = try EngineJSON.decode(Array(info.utf8), operation: "a test")
        return try #require(HostCheck.all(info, cgroup: SandboxCgroup()).first { $0.subject == subject })
    }

    @Test(
        "gVisor is known by its program, whatever its operator calls it",
        arguments: [
            (#""runsc": {"path": "runsc"}"#, .good),
            (#""fenced": {"path": "/usr/local/bin/runsc"}"#, .good),
            (#""crun": {"path": "/usr/bin/crun"}"#, .advice),
        ] as [(String, HostCheck.Verdict)])
    func gvisor(runtime: String, verdict: HostCheck.Verdict) throws {
        let check = try check(
            "runtimes",
            #"{"DefaultRuntime": "runc", "Runtimes": {"runc": {"path": "runc"}, \#(runtime)}}"#)
        #expect(check.verdict == verdict)
        #expect(check.found.hasSuffix("; default runc"))
    }

    @Test("the Engine's own names for what it has are not runtimes to choose from")
    func ownNames() throws {
        let check = try check(
            "runtimes",
            #"{"Runtimes": {"runc": {"path": "runc"}, "io.containerd.runc.v2": {"path": "runc"}}}"#)
        #expect(check.found == "runc; default unknown")
    }
}
