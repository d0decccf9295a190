import DatabaseFixtures
import DockerAPI
import Foundation

@testable import Runner

/// What a fixture's nodes have left behind, once everything has ended and no node is there any more.
struct Leftovers {
    let fixture: NodeFixture

    /// - Returns: a name for each thing; empty when all is gone. The Engine gets a moment for its own last steps.
    func find() async throws -> [String] {
        var left: [String] = []
        do {
            try await eventually {
                left = try await all()
                return left.isEmpty
            }
        } catch is NotInTime {}
        return left
    }

    private func all() async throws -> [String] {
        let state = try StateFolder(environment: ["PADDOCK_STATE_DIR": fixture.folder])
        let filters = ["label": ["\(RunnerHost.Label.state)=\(state.id)"]]
        return try await fixture.client.listContainers(filters: filters).map { "container \($0.names)" }
            + fixture.client.listVolumes(filters: filters).map { "volume \($0.name)" }
            + fixture.client.listNetworks(filters: filters).map { "network \($0.name)" }
            + mounts() + cgroups() + files(state)
    }

    private func mounts() -> [String] {
        let lines = (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? ""
        let ids = fixture.history.sandboxes.map(\.id)
        return lines.split(separator: "\n").filter { line in
            line.contains(fixture.folder + "/") || ids.contains { line.contains($0) }
        }.map { "mount \($0)" }
    }

    private func cgroups() -> [String] {
        let root = "/sys/fs/cgroup"
        let folders = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).map { "\(root)/\($0)" }
        return fixture.history.sandboxes.flatMap { sandbox in
            ([root] + folders).map { "\($0)/\(SandboxCgroup.name)/\(sandbox.id)" }
                .filter { FileManager.default.fileExists(atPath: $0) }
        }.map { "cgroup \($0)" }
    }

    /// Sockets and user ids that somebody still has.
    private func files(_ state: StateFolder) -> [String] {
        let files = FileManager.default
        let sockets = (try? files.contentsOfDirectory(atPath: state.path + "/egress")) ?? []
        let users = (try? files.contentsOfDirectory(atPath: state.path + "/users")) ?? []
        return sockets.map { "socket \($0)" }
            + users.filter { (try? FileLock(path: "\(state.path)/users/\($0)")) == nil }.map { "user id \($0)" }
    }
}
