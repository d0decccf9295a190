import DockerAPI
import Entitlements

/// Runs an example of an agent.yaml behind the fence, and compares what came of it with what the example expects.
public struct ExampleRun: Sendable {
    /// What came of an example.
    public struct Result: Sendable {
        public let name: String
        public let execution: Execution
        /// All that it wrote, stdout and stderr together.
        public let log: String
        /// What differs from what the example expects; empty when it passed.
        public let differences: [String]
        /// What it called, if that was recorded.
        let recording: Recording?
    }

    struct Recording: Sendable {
        let recorder: RecordingSink.Recorder
        let calls: RecordedCalls
    }

    /// A run that could not be made, or was broken off, for no fault of the agent's.
    struct HostFailure: Error, CustomStringConvertible {
        let description: String
    }

    private let host: RunnerHost
    private let image: AgentImage
    private let manifest: Manifest
    private let runtime: SandboxRuntime

    public init(
        manifest: Manifest, image: AgentImage, host: RunnerHost, runtime: SandboxRuntime = .engineDefault
    ) {
        self.manifest = manifest
        self.image = image
        self.host = host
        self.runtime = runtime
    }

    /// - Throws: `ImageError` for an image without a command, `Limits.Invalid`, `JSONSchema` errors,
    ///   `CancellationError` when the task was cancelled, ``HostFailure`` for an `engine_error`: what came of it then
    ///   tells nothing of the agent.
    public func run(_ example: Manifest.Example) async throws -> Result { try await run(example, isRecorded: false) }

    /// - Parameter isRecorded: whether it runs under the recorder, and for that under the standard policy.
    func run(_ example: Manifest.Example, isRecorded: Bool) async throws -> Result {
        let limits = (example.limits ?? LimitsRequest()).over(manifest.limits ?? LimitsRequest())
        var differences = try await violations(in: example).map { "its input does not match inputSchema: \($0)" }
        var request = ExecutionRequest(
            image: image, command: try image.command(overriddenBy: manifest.command, arguments: []),
            limits: try limits.resolved(), input: try example.input.serialized(), endsWithRunner: true)
        request.outputSchema = try manifest.outputSchema.map { try JSONSchema(known: $0) }
        request.seccomp = manifest.seccomp
        let rules = try manifest.egressRules()
        if !rules.isEmpty { request.egress = try EgressPolicy(rules: rules) }
        request.runtime = runtime
        let sink = CollectingSink()
        let recording = isRecorded ? RecordingSink(passingOnTo: sink) : nil
        request.recorderMarker = recording?.marker
        let finished = await ExecutionRunner(host: host).run(
            request, control: ExecutionControl(), sink: recording ?? sink)
        try Task.checkCancellation()
        if finished.execution.reason == .engineError {
            throw HostFailure(description: "\(example.name): \(finished.execution.message ?? "the Engine failed")")
        }
        try await recording?.flush()
        differences += example.expect.differences(from: finished.execution, log: sink.text)
        return Result(
            name: example.name, execution: finished.execution, log: sink.text, differences: differences,
            recording: recording.map { .init(recorder: $0.recorder, calls: $0.calls) })
    }

    /// Where the example's input breaks the manifest's schema.
    func violations(in example: Manifest.Example) async throws -> [JSONSchema.Violation] {
        guard let schema = manifest.inputSchema else { return [] }
        return try await JSONSchema(known: schema).violations(in: example.input.serialized())
    }
}

extension Manifest {
    var hasExamples: Bool { !(examples ?? []).isEmpty }

    /// Its examples; where there are none, one that must end well with an empty input.
    var examplesToRun: [Example] {
        if hasExamples, let examples { return examples }
        return [Example(name: "the input {}", mustTake: .object([:]))]
    }
}

extension Manifest.Example {
    /// - Parameter input: with which the agent must succeed.
    init(name: String, mustTake input: JSONValue) {
        self.init(name: name, input: input, limits: nil, expect: Manifest.Expectation(status: .succeeded))
    }
}

extension Manifest.Expectation {
    /// In words, each with what was expected and what came.
    func differences(from execution: Execution, log: String) -> [String] {
        var differences: [String] = []
        func compare<Value: Equatable>(_ what: String, _ expected: Value?, _ actual: Value?) {
            guard let expected, expected != actual else { return }
            let found = actual.map { "\($0)" } ?? "none"
            differences.append("\(what): expected \(expected), is \(found)")
        }
        compare("status", status?.rawValue, execution.status.rawValue)
        compare("reason", reason?.rawValue, execution.reason?.rawValue)
        compare("exitCode", exitCode, execution.exitCode)
        compare("signal", signal, execution.signal)
        compare("output", output, execution.output)
        for (key, value) in (outputContains ?? [:]).sorted(by: { $0.key < $1.key }) {
            compare("output.\(key)", value, execution.output[key])
        }
        for text in logContains ?? [] where !log.contains(text) { differences.append("the log does not hold: \(text)") }
        let found = Set(execution.notes.map(\.code))
        for note in notes ?? [] where !found.contains(note) { differences.append("no note \(note.rawValue)") }
        if !differences.isEmpty, let message = execution.message { differences.append("what came: \(message)") }
        return differences
    }
}
