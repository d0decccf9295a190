import DockerAPI
import Foundation
import Runner

/// This machine's Engine and state folder, as the environment names them.
struct LocalEngine {
    let configuration: DockerClient.Configuration
    let folder: StateFolder

    init() throws {
        let environment = ProcessInfo.processInfo.environment
        configuration = try DockerClient.Configuration(dockerHost: environment["DOCKER_HOST"])
        folder = try StateFolder(environment: environment)
    }

    /// Runs the body with a runner's host. What earlier runs left is removed beside it: a sandbox that cannot be removed
    /// must not hold up another.
    /// - Parameter quiet: whether to say only what could not be removed.
    func withHost<Result: Sendable>(
        quiet: Bool, _ body: (DockerClient, RunnerHost) async throws -> Result
    ) async throws -> Result {
        try await DockerClient.withClient(configuration) { client in
            let host = try RunnerHost(client: client, folder: folder)
            async let reaped = host.reap()
            let result = try await body(client, host)
            do {
                report(try await reaped, quiet: quiet)
            } catch {
                Console.error("what earlier runs left could not be looked for: \(error)")
            }
            return result
        }
    }

    private func report(_ reaped: (removed: [String], failed: [DockerError]), quiet: Bool) {
        if !reaped.removed.isEmpty, !quiet {
            Console.error("removed \(reaped.removed.count) sandbox(es) that an earlier run left")
        }
        for failure in reaped.failed { Console.error("a sandbox of an earlier run could not be removed: \(failure)") }
    }
}
