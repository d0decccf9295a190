import DockerAPI
import Foundation
import Runner
import Testing

/// Every example of every agent in `images/`, run behind the fence.
@Suite("Examples of the sample agents")
struct ExampleTests {
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
                let runner = ExampleRun(manifest: manifest, image: image, host: host)
                for example in examples {
                    let result = try await runner.run(example)
                    #expect(result.differences.isEmpty, "\(agent)/\(example.name): \(result.log.suffix(500))")
                }
                try await client.removeImage("paddock-test/\(agent):latest")
            }
        }
    }
}
