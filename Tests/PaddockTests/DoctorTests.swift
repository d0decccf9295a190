import Foundation
import Testing

/// The probes of `paddock doctor` are the acceptance suite of the fence, on every runtime that the Engine has.
@Suite("The doctor")
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

    @Test("a runtime that the Engine does not have is said so")
    func unknownRuntime() async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(["doctor", "--runtime", "runk"], environment: state)
            #expect(try await program.exitCode() == 125)
            #expect(program.stderr.contains("no runtime 'runk'; it has: "), "\(program.stderr)")
        }
    }
}
