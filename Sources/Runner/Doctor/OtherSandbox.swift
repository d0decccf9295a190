import Entitlements
import NIOConcurrencyHelpers

/// A second execution that runs while the probes do: what they must not see.
enum OtherSandbox {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// - Parameter body: gets the name of its container.
    static func with<Result: Sendable>(
        host: RunnerHost, image: AgentImage, _ body: (String) async throws -> Result
    ) async throws -> Result {
        var limits = LimitsRequest()
        (limits.timeoutSeconds, limits.graceSeconds) = (3600, 0)
        let request = ExecutionRequest(
            image: image, command: [ProbeImage.program, "--wait", DoctorSurroundings.word],
            limits: try limits.resolved(), input: Array("{}".utf8), endsWithRunner: true)
        let control = ExecutionControl()
        let sink = CollectingSink()
        let ended = NIOLockedValueBox<FinishedExecution?>(nil)
        let running = Task {
            let finished = await ExecutionRunner(host: host).run(request, control: control, sink: sink)
            ended.withLockedValue { $0 = finished }
        }
        do {
            // It says a word when it runs. An execution that cannot has an ending instead.
            while sink.text.isEmpty {
                if let finished = ended.withLockedValue({ $0 }) {
                    throw Failure(description: "no sandbox can be run here: \(finished.execution.message ?? "")")
                }
                try await Task.sleep(for: .milliseconds(10))
            }
            let result = try await body(request.id.description)
            control.kill(why: "the doctor has finished")
            await running.value
            return result
        } catch {
            control.kill(why: "the doctor has finished")
            await running.value
            throw error
        }
    }
}
