import DockerAPI
public import Foundation

/// What is known of this node's fence, for whoever asks a server: what the host is now, and what the doctor found last.
public struct DoctorService: Sendable {
    /// A run of the doctor's over all runtimes.
    public struct Record: Sendable, Codable {
        public let time: String
        /// As `paddock doctor --format json` prints it.
        public let report: JSONValue
    }

    private let host: RunnerHost
    private var file: URL { URL(filePath: host.folder.path + "/doctor.json") }

    public init(host: RunnerHost) { self.host = host }

    /// - Throws: ``Refusal`` with `engine_unavailable`.
    public func checks() async throws -> [HostCheck] {
        do {
            return try await Doctor(host: host, engineSocket: "").checkHost()
        } catch let error as DockerError {
            throw Refusal(
                .engineUnavailable, "the host cannot be looked at: the Engine does not answer (\(error.message))")
        }
    }

    /// nil where the doctor has not run with this state folder.
    public func lastRun() -> Record? {
        (try? Data(contentsOf: file)).flatMap { try? JSONDecoder().decode(Record.self, from: $0) }
    }

    /// Keeps a run for servers with this state folder.
    public func keep(_ report: some Encodable, at time: Date = Date()) throws {
        let value = try JSONValue(parsing: [UInt8](try JSONEncoder().encode(report)))
        try JSONEncoder().encode(Record(time: time.rfc3339, report: value)).write(to: file, options: .atomic)
    }
}
