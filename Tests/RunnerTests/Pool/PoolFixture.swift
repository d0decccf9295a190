import DatabaseFixtures
import DockerAPI
import Entitlements
import Foundation
import Logging
import Testing

@testable import Runner

/// A pool on the real Engine, with a state folder of its own.
struct PoolFixture: Sendable {
    let client: DockerClient
    let host: RunnerHost
    let pool: SandboxPool

    static func with(
        _ change: (inout SandboxPool.Configuration) -> Void = { _ in }, _ body: (PoolFixture) async throws -> Void
    ) async throws {
        var configuration = SandboxPool.Configuration()
        // On a machine that is very busy, all are late.
        configuration.verifyLimit = .seconds(60)
        change(&configuration)
        let engine = ProcessInfo.processInfo.environment["DOCKER_HOST"]
        try await withTemporaryFolder { folder in
            try await DockerClient.withClient(DockerClient.Configuration(dockerHost: engine)) { client in
                let host = try RunnerHost(
                    client: client, folder: try StateFolder(environment: ["PADDOCK_STATE_DIR": folder]))
                let pool = SandboxPool(host: host, configuration: configuration, isOfNode: false, logger: .silent)
                let fixture = PoolFixture(client: client, host: host, pool: pool)
                do {
                    try await body(fixture)
                } catch {
                    await pool.drain()
                    throw error
                }
                await pool.drain()
                // One that was refused is removed beside the execution.
                try await eventually { try await fixture.containers().isEmpty }
            }
        }
    }

    /// Lets the pool prepare what is in demand for as long as the body runs.
    func running(_ body: () async throws -> Void) async throws {
        let running = Task { await pool.run() }
        do {
            try await body()
        } catch {
            pool.stop()
            await running.value
            throw error
        }
        pool.stop()
        await running.value
    }

    func request(
        _ script: String, image: String = "paddock/busybox:1", _ change: (inout LimitsRequest) -> Void = { _ in }
    ) async throws -> ExecutionRequest {
        var limits = LimitsRequest()
        change(&limits)
        return ExecutionRequest(
            image: try await ImageStore(client: client).image(image) { _ in }, command: ["sh", "-c", script],
            limits: try limits.resolved(), input: Array("{}".utf8), endsWithRunner: true)
    }

    /// Runs to the end, and expects success.
    @discardableResult
    func run(
        _ request: ExecutionRequest, _ at: SourceLocation = #_sourceLocation
    ) async throws -> (log: String, finished: FinishedExecution) {
        var request = request
        request.id = ExecutionID()
        let sink = CollectingSink()
        let finished = await ExecutionRunner(host: host, pool: pool).run(
            request, control: ExecutionControl(), sink: sink)
        #expect(
            finished.execution.status == .succeeded, "\(finished.execution.message ?? "")", sourceLocation: at)
        #expect(finished.removalFailure == nil, sourceLocation: at)
        return (sink.text, finished)
    }

    /// Those of this state folder on the Engine.
    func containers() async throws -> [ContainerSummary] {
        try await client.listContainers(filters: ["label": ["\(RunnerHost.Label.state)=\(host.folder.id)"]])
    }

    /// The one that waits.
    func waiting() async throws -> ContainerSummary {
        let all = try await containers()
        #expect(all.count == 1)
        return try #require(all.first)
    }

    /// The Engine's own command line, as somebody outside would use it.
    /// - Returns: its exit code.
    func docker(_ arguments: String...) async throws -> Int32 {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["docker"] + arguments
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                process.waitUntilExit()
                continuation.resume()
            }
        }
        return process.terminationStatus
    }
}
