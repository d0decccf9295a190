extension DockerClient {
    /// Maps to `GET /volumes`.
    public func listVolumes(filters: Filters = [:]) async throws -> [VolumeSummary] {
        struct Answer: Decodable { let volumes: [VolumeSummary]? }
        let answer: Answer = try await fetch(
            request("GET", "/volumes", query: [("filters", filters.query)], wait: .answer))
        return answer.volumes ?? []
    }

    /// Maps to `DELETE /volumes/{name}`.
    public func removeVolume(_ name: String) async throws {
        try await perform(request("DELETE", "/volumes/\(name.percentEncoded)", wait: .work()))
    }

    /// Maps to `GET /networks`.
    public func listNetworks(filters: Filters = [:]) async throws -> [NetworkSummary] {
        try await fetch(request("GET", "/networks", query: [("filters", filters.query)], wait: .answer))
    }

    /// Maps to `DELETE /networks/{id}`.
    public func removeNetwork(_ id: String) async throws {
        try await perform(request("DELETE", "/networks/\(id.percentEncoded)", wait: .work()))
    }
}
