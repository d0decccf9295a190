import Logging
import Runner

/// `paddock run --warm N`: sandboxes that are prepared ahead as a server does it, and a run in each.
enum WarmRuns {
    static let limit = 64

    /// - Parameter run: returns its exit code; after one that is not 0 there is no other.
    static func run(
        _ count: Int, _ request: ExecutionRequest, host: RunnerHost, quiet: Bool,
        _ run: (ExecutionRequest, SandboxPool) async throws -> Int32
    ) async throws -> Int32 {
        guard request.egress == nil else {
            throw Failure("--warm: a sandbox with a way out cannot be prepared ahead: run it without --warm")
        }
        let pool = SandboxPool(
            host: host, configuration: SandboxPool.Configuration(), isOfNode: false,
            logger: Logger(label: "paddock.pool"))
        let result: Result<Int32, any Error>
        do {
            try await pool.prepare(count, for: request)
            if !quiet {
                let each = pool.snapshot().preparationTime / Double(count)
                Console.error("\(count) sandbox(es) prepared ahead, \(each.milliseconds) ms each")
            }
            result = .success(try await runs(count, request, pool, run))
        } catch {
            result = .failure(error)
        }
        await pool.drain()
        return try result.get()
    }

    private static func runs(
        _ count: Int, _ request: ExecutionRequest, _ pool: SandboxPool,
        _ run: (ExecutionRequest, SandboxPool) async throws -> Int32
    ) async throws -> Int32 {
        for _ in 0..<count {
            var request = request
            request.id = ExecutionID()
            let code = try await run(request, pool)
            if code != 0 { return code }
        }
        return 0
    }
}
