/// Finds the least profile under which an agent's examples do what they do.
public struct SeccompLearning: Sendable {
    /// What was found.
    public struct Lesson: Sendable {
        /// For agent.yaml.
        public let profile: SeccompRequest
        /// What ioctl, socket, prctl and clone were asked for, in words.
        public let arguments: [String]
        /// What makes the profile less sure, for each run.
        public let doubts: [String]

        /// Group by group, what is left of the standard policy and what is taken away.
        public let groups: [Group]

        public struct Group: Sendable {
            public let name: String
            /// How many of it the agent called.
            public let called: Int
            /// What is left, the init's own needs included.
            public let kept: [String]
            public let removed: [String]
        }
    }

    /// A run that tells nothing.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    private let image: AgentImage
    private let manifest: Manifest
    private let host: RunnerHost
    private let runtime: SandboxRuntime

    /// - Parameter manifest: of the folder that the image was built from; nil for an image alone.
    public init(image: AgentImage, manifest: Manifest?, host: RunnerHost, runtime: SandboxRuntime) {
        self.image = image
        self.manifest = manifest ?? Manifest(name: "image")
        self.host = host
        self.runtime = runtime
    }

    /// Runs the agent under the standard policy and the recorder.
    /// - Parameters:
    ///   - input: of the one run, in place of the manifest's examples.
    ///   - progress: called with the name of the run that begins.
    /// - Throws: ``Failure`` when nothing was recorded; what kept it from running anything.
    public func learn(input: JSONValue?, progress: @Sendable (String) -> Void) async throws -> Lesson {
        let runner = ExampleRun(manifest: manifest, image: image, host: host, runtime: runtime)
        var calls = RecordedCalls()
        var doubts: [String] = []
        for example in examples(input) {
            progress(example.name)
            let result = try await runner.run(example, isRecorded: true)
            guard let recording = result.recording else { continue }
            try check(recording, result)
            calls.formUnion(recording.calls)
            doubts += result.differences.map { "\(result.name): \($0)" }
            if result.execution.notes.contains(where: { $0.code == .logTruncated }) {
                doubts.append("\(result.name): its log was cut at its limit, and with it what came late of the record")
            }
        }
        let profile = SeccompRequest(allow: calls.names.intersection(SeccompPolicy.standard.allowedCalls).sorted())
        doubts += try await prove(profile, examples(input), progress)
        return Lesson(
            profile: profile, arguments: Self.words(calls), doubts: doubts, groups: try Self.compare(profile))
    }

    /// Runs everything again under the profile itself.
    private func prove(
        _ profile: SeccompRequest, _ examples: [Manifest.Example], _ progress: @Sendable (String) -> Void
    ) async throws -> [String] {
        var manifest = manifest
        manifest.seccomp = profile
        let runner = ExampleRun(manifest: manifest, image: image, host: host, runtime: runtime)
        var doubts: [String] = []
        for example in examples {
            progress("\(example.name), under the profile")
            let result = try await runner.run(example)
            doubts += result.differences.map { "\(result.name), under the profile: \($0)" }
        }
        return doubts
    }

    private static func compare(_ profile: SeccompRequest) throws -> [Lesson.Group] {
        let left = try SeccompPolicy.narrowed(to: profile).allowedCalls
        return SeccompPolicy.standard.groups.map { group in
            let all = Set(group.rules.flatMap(\.calls)).filter { SyscallTable.mayExist($0) }
            return Lesson.Group(
                name: group.name, called: all.intersection(profile.allow).count,
                kept: all.intersection(left).sorted(), removed: all.subtracting(left).sorted())
        }
    }

    private func examples(_ input: JSONValue?) -> [Manifest.Example] {
        input.map { [Manifest.Example(name: "the input", mustTake: $0)] } ?? manifest.examplesToRun
    }

    private func check(_ recording: ExampleRun.Recording, _ result: ExampleRun.Result) throws {
        switch recording.recorder {
        case .ready: return
        case .unavailable(let errno):
            throw Failure(
                description: "\(result.name): the sandbox's kernel gives no notifications of system calls "
                    + "(\(Errno.message(errno))): learn on runc or crun, on Linux 5.5 or newer")
        case .silent:
            let why = result.execution.message ?? result.execution.status.rawValue
            throw Failure(description: "\(result.name): nothing was recorded: \(why)")
        }
    }

    /// One entry a call whose arguments were recorded, with the policy's own words where it has some.
    private static func words(_ calls: RecordedCalls) -> [String] {
        let rules = SeccompPolicy.standard.groups.flatMap(\.rules)
        let uses = calls.details.map { detail in
            let rule = rules.first { rule in
                rule.calls.contains(detail.call)
                    && rule.conditions.filter { $0.argument < 2 }.allSatisfy { condition in
                        UInt64(condition.argument == 0 ? detail.first : detail.second) & condition.mask
                            == condition.value
                    }
            }
            let isNamed = detail.call == "ioctl" || detail.call == "socket"
            let meaning = isNamed ? rule?.meaning : nil
            return (detail.call, meaning ?? "0x" + String(detail.first, radix: 16))
        }
        return Dictionary(grouping: uses, by: \.0).sorted { $0.key < $1.key }.map { call, uses in
            "\(call): \(Set(uses.map(\.1)).sorted().joined(separator: ", "))"
        }
    }
}
