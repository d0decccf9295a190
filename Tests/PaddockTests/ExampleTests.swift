import DockerAPI
import Foundation
import NIOConcurrencyHelpers
import Runner
import Testing

/// Every example of every agent in `images/`, run behind the fence.
@Suite("Examples of the sample agents")
struct ExampleTests {
    /// A log that is kept.
    private final class Log: LogSink {
        private let bytes = NIOLockedValueBox<[UInt8]>([])

        func write(_ bytes: ArraySlice<UInt8>, to stream: LogStream) async throws {
            self.bytes.withLockedValue { $0 += bytes }
        }

        func executionIsEnding() {}

        var text: String { String(decoding: bytes.withLockedValue { $0 }, as: UTF8.self) }
    }

    static let agents: [String] = {
        let images = Program.packageFolder + "/images"
        let folders = (try? FileManager.default.contentsOfDirectory(atPath: images)) ?? []
        return folders.filter { FileManager.default.fileExists(atPath: "\(images)/\($0)/agent.yaml") }.sorted()
    }()

    @Test("there are agents to test")
    func present() {
        let known = ["csv-profile", "echo-json", "hello", "misbehave", "text-report", "ticker"]
        #expect(Set(Self.agents).isSuperset(of: known))
    }

    @Test("each example is what its agent.yaml says", arguments: agents)
    func examples(agent: String) async throws {
        let folder = "\(Program.packageFolder)/images/\(agent)"
        let manifest = try #require(try Manifest.load(folder: folder))
        let examples = try #require(manifest.examples)
        #expect(!examples.isEmpty)
        try await Fixture.withState { state in
            try await Fixture.withClient { client in
                let host = try RunnerHost(client: client, folder: StateFolder(environment: state))
                let image = try await ImageStore(client: client).build(
                    folder: folder, tag: "paddock-test/\(agent):latest"
                ) { _ in }
                for example in examples { try await check(example, manifest, image, host) }
                try await client.removeImage("paddock-test/\(agent):latest")
            }
        }
    }

    private func check(
        _ example: Manifest.Example, _ manifest: Manifest, _ image: AgentImage, _ host: RunnerHost
    ) async throws {
        let limits = (example.limits ?? LimitsRequest()).over(manifest.limits ?? LimitsRequest())
        let input = try example.input.serialized()
        if let schema = manifest.inputSchema {
            let violations = try await JSONSchema(schema).violations(in: input)
            #expect(violations.isEmpty, "\(manifest.name)/\(example.name)")
        }
        var request = ExecutionRequest(
            image: image, command: try image.command(overriddenBy: manifest.command, arguments: []),
            limits: try limits.resolved(), input: input, endsWithRunner: true)
        request.outputSchema = try manifest.outputSchema.map { try JSONSchema($0) }
        let log = Log()
        let finished = await ExecutionRunner(host: host).run(request, control: ExecutionControl(), sink: log)
        #expect(finished.removalFailure == nil)
        compare(finished.execution, log.text, example.expect, "\(manifest.name)/\(example.name)")
    }

    private func compare(
        _ execution: Execution, _ log: String, _ expected: Manifest.Expectation, _ name: String
    ) {
        let seen: Comment =
            "\(name): \(execution.status) \(String(describing: execution.message)) \(execution.notes) \(log.suffix(500))"
        if let status = expected.status { #expect(execution.status == status, seen) }
        if let reason = expected.reason { #expect(execution.reason == reason, seen) }
        if let code = expected.exitCode { #expect(execution.exitCode == code, seen) }
        if let signal = expected.signal { #expect(execution.signal == signal, seen) }
        if let output = expected.output { #expect(execution.output == output, seen) }
        if let parts = expected.outputContains {
            for (key, value) in parts { #expect(execution.output[key] == value, seen) }
        }
        for text in expected.logContains ?? [] { #expect(log.contains(text), seen) }
        if let notes = expected.notes {
            #expect(Set(execution.notes.map(\.code)).isSuperset(of: notes), seen)
        }
    }
}
