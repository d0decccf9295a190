import Entitlements

/// Tells a developer whether an image will do: what its manifest lacks, what the sandbox changes for it, and how its
/// examples fare inside the real policy.
public struct AgentCheck: Sendable {
    /// How one example, or the run in place of one, went.
    public struct Run: Sendable, Encodable {
        public let name: String
        public let passed: Bool
        public let status: Execution.Status
        public let reason: Execution.Reason?
        public let usage: Execution.Usage
        /// The system calls that it made, by name; nil where they could not be recorded.
        public let syscalls: [String]?
        public let differences: [String]
    }

    public struct Report: Sendable, Encodable {
        public let image: String
        /// Bytes.
        public let size: Int64
        public let runs: [Run]
        public let findings: [CheckFinding]

        /// Whether nothing keeps it from being used.
        public var isGood: Bool { !findings.contains { $0.severity == .error } }
    }

    private let image: AgentImage
    private let manifest: Manifest?
    private let host: RunnerHost

    /// An image of more than this takes long to get to a host that has it not.
    private static let largeImage: Int64 = 500 << 20

    /// - Parameter manifest: of the folder that the image was built from; nil for an image alone.
    public init(image: AgentImage, manifest: Manifest?, host: RunnerHost) {
        self.image = image
        self.manifest = manifest
        self.host = host
    }

    /// Runs every example, and the first of them as two users.
    /// - Parameter progress: called with the name of the example that begins.
    /// - Throws: what kept it from running anything.
    public func report(progress: @Sendable (String) -> Void) async throws -> Report {
        let plan = manifest ?? Manifest.bare(name: "image")
        let runner = ExampleRun(manifest: plan, image: image, host: host)
        let examples = try await examples(of: plan, runner)
        var findings = manifestFindings(isTried: !examples.isEmpty) + imageFindings()
        var results: [ExampleRun.Result] = []
        var syscalls: [[String]?] = []
        for example in examples {
            progress(example.name)
            let result = try await runner.run(example)
            results.append(result)
            syscalls.append(try await calls(of: result, example, runner))
        }
        if let first = examples.first {
            progress("\(first.name), as another user")
            // Held meanwhile, so that the run gets the next user id.
            let user = try host.folder.lockUser()
            let again = try await runner.run(first)
            withExtendedLifetime(user) {}
            if results[0].differences.isEmpty, !again.differences.isEmpty {
                findings.append(.error("it runs as one user and not as another: \(again.differences[0])"))
            }
        }
        findings += results.flatMap { Self.findings(about: $0) }
        findings += LimitAdvice(limits: try (plan.limits ?? LimitsRequest()).resolved(), results: results).findings
        let runs = zip(results, syscalls).map { result, syscalls in
            Run(
                name: result.name, passed: result.differences.isEmpty, status: result.execution.status,
                reason: result.execution.reason, usage: result.execution.usage, syscalls: syscalls,
                differences: result.differences)
        }
        return Report(image: image.id, size: image.size, runs: runs, findings: findings)
    }

    /// Once more, under the recorder: it would distort what the first run used. An agent that does not do what it should
    /// is not worth it.
    private func calls(
        of result: ExampleRun.Result, _ example: Manifest.Example, _ runner: ExampleRun
    ) async throws -> [String]? {
        guard result.differences.isEmpty else { return nil }
        let recording = try await runner.run(example, isRecorded: true).recording
        guard let recording, recording.recorder == .ready else { return nil }
        return recording.calls.names.sorted()
    }

    private var hasCommand: Bool {
        (try? image.command(overriddenBy: manifest?.command, arguments: [])) != nil
    }

    /// None without a command, and none in place of examples where the agent does not take an empty input.
    private func examples(of plan: Manifest, _ runner: ExampleRun) async throws -> [Manifest.Example] {
        guard hasCommand else { return [] }
        let examples = plan.examplesToRun
        if plan.hasExamples { return examples }
        return try await runner.violations(in: examples[0]).isEmpty ? examples : []
    }

    /// - Parameter isTried: whether there was anything to run.
    private func manifestFindings(isTried: Bool) -> [CheckFinding] {
        guard let manifest else {
            return [.suggestion("no agent.yaml: give its folder to have its schemas and examples checked")]
        }
        var findings: [CheckFinding] = []
        if manifest.description == nil { findings.append(.suggestion("agent.yaml: description is missing")) }
        if manifest.version == nil { findings.append(.suggestion("agent.yaml: version is missing")) }
        if manifest.inputSchema == nil {
            findings.append(.warning("agent.yaml: inputSchema is missing: any input will reach the agent"))
        }
        if manifest.outputSchema == nil {
            findings.append(.warning("agent.yaml: outputSchema is missing: any output will count as a success"))
        }
        if !manifest.hasExamples, hasCommand {
            let tried =
                isTried
                ? "only a run with the input {} was tried"
                : "nothing was run, since the input {} does not match inputSchema: give examples"
            findings.append(.warning("agent.yaml: no examples: \(tried)"))
        }
        return findings
    }

    private func imageFindings() -> [CheckFinding] {
        var findings: [CheckFinding] = []
        if image.size > Self.largeImage {
            findings.append(
                .warning("the image has \(image.size >> 20) MiB: a smaller base makes the first run on a host faster"))
        }
        if !hasCommand {
            findings.append(
                .error("there is no command to run: set ENTRYPOINT in its Dockerfile, or command in its agent.yaml"))
        }
        if !image.user.isEmpty {
            findings.append(
                .suggestion("USER \(image.user) has no effect: every sandbox has a user id of its own"))
        }
        for volume in image.volumes {
            findings.append(.warning("VOLUME \(volume) is 1 MiB of memory here, and empty at the start of every run"))
        }
        let loader = image.environment.filter { $0.hasPrefix("LD_") }.map { $0.prefix { $0 != "=" } }
        if !loader.isEmpty {
            findings.append(.warning("ENV \(loader.joined(separator: ", ")): the agent starts without it"))
        }
        return findings
    }

    private static func findings(about result: ExampleRun.Result) -> [CheckFinding] {
        guard !result.differences.isEmpty else { return [] }
        var words = result.differences
        if let line = result.log.split(separator: "\n").last { words.append("its last line: \(line.prefix(200))") }
        var findings = [CheckFinding.error("\(result.name): \(words.joined(separator: "; "))")]
        let hints = [
            ("Read-only file system", "the root file system is read-only: write to /tmp"),
            (
                "Permission denied",
                "it runs as a user id that no image knows: make what it reads and runs readable to all"
            ),
            ("Operation not permitted", "a system call was refused: see `paddock seccomp learn`"),
            ("Network is unreachable", "there is no network: allow the hosts that it needs with network.allow"),
            ("Name or service not known", "there is no DNS: hosts are reached through the proxy in HTTPS_PROXY"),
            (
                "Temporary failure in name resolution",
                "there is no DNS: hosts are reached through the proxy in HTTPS_PROXY"
            ),
        ]
        for (text, hint) in hints where result.log.contains(text) {
            findings.append(.suggestion("\(result.name): its log says '\(text)': \(hint)"))
        }
        return findings
    }
}

extension Manifest {
    /// For an image without one.
    fileprivate static func bare(name: String) -> Manifest { Manifest(name: name) }
}
