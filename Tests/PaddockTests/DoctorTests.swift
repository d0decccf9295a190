import DockerAPI
import Foundation
import Testing

/// The probes of `paddock doctor` are the acceptance suite of the fence, on every runtime that the Engine has.
@Suite("The doctor", .serialized)
struct DoctorTests {
    /// Its control needs CPU that other tests may have taken.
    private static let mayLackControl: Set<String> = ["cpu"]

    @Test("every promise holds on every runtime, and every control shows that its probe can tell")
    func examine() async throws {
        let (code, report) = try await Fixture.withState { state in
            let program = try Program.paddock(["doctor", "--format", "json"], environment: state)
            let code = try await program.exitCode(deadline: .seconds(600))
            return (code, try Fixture.document(program.stdout))
        }
        #expect(code == 0)
        let findings = try #require(report["findings"] as? [[String: Any]])
        let runtimes = Dictionary(grouping: findings) { $0["runtime"] as? String ?? "" }
        #expect(runtimes.keys.contains("runc"))
        for (runtime, findings) in runtimes {
            var counts: [String: Int] = [:]
            for finding in findings {
                let verdict = try #require(finding["verdict"] as? String)
                counts[verdict, default: 0] += 1
                let isFine =
                    verdict == "proven" || (verdict == "harmless" && runtime == "runsc")
                    || (verdict == "unproven" && Self.mayLackControl.contains(finding["probe"] as? String ?? ""))
                #expect(isFine, "\(runtime): \(finding)")
            }
            #expect(counts["proven", default: 0] >= 100, "\(runtime): \(counts)")
        }
    }

    @Test(
        "a signal ends it early, wherever it is, and it leaves nothing",
        arguments: [("", 1, SIGINT, 130), ("controls: ", 3, SIGTERM, 143), ("probes inside", 2, SIGINT, 130)]
            as [(String, Int, Int32, Int32)])
    func interrupted(step: String, containers: Int, signal: Int32, code: Int32) async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                try await Fixture.withClient { client in
                    let environment = state.merging(["TMPDIR": folder.path()]) { $1 }
                    func begin() async throws -> (Program, [ContainerSummary]) {
                        let program = try Program.paddock(["doctor", "--runtime", "runc"], environment: environment)
                        try await program.wait(for: step) { step.isEmpty || program.stderr.contains(step) }
                        return (program, try await Fixture.waitForContainers(containers, of: state, client, program))
                    }
                    var begun = try? await begin()
                    // They do not run for long: a test that has no processor meanwhile does not see them.
                    if begun == nil { begun = try await begin() }
                    let (program, running) = try #require(begun)
                    let image = try await client.inspectImage(running[0].imageID).id
                    program.signal(signal)
                    #expect(try await program.exitCode() == code, "\(program.stderr)")
                    #expect(program.stdout.isEmpty)
                    #expect(try await Fixture.containers(of: state, client).isEmpty)
                    let error = await #expect(throws: DockerError.self) { try await client.inspectImage(image) }
                    #expect(error?.isNotFound == true, "the image is left")
                    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path()) == [])
                }
            }
        }
    }

    @Test("a runtime that the Engine does not have is said so")
    func unknownRuntime() async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(["doctor", "--runtime", "runk"], environment: state)
            #expect(try await program.exitCode() == 125)
            #expect(program.stderr.contains("no runtime 'runk'; it has: "), "\(program.stderr)")
            // The Engine's own names are no choice.
            #expect(!program.stderr.contains("io.containerd"))
        }
    }
}
