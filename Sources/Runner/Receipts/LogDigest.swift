import Crypto
public import DockerAPI

/// The running hashes of a log, one a stream: how the bytes came in pieces, and which stream's came first, is the
/// Engine's doing and not the agent's.
public struct LogDigest: Sendable {
    private var stdout = SHA256()
    private var stderr = SHA256()
    private var stdoutBytes: Int64 = 0
    private var stderrBytes: Int64 = 0

    public init() {}

    /// Takes the next bytes of a stream, as they are stored.
    public mutating func update(_ bytes: ArraySlice<UInt8>, of stream: LogStream) {
        switch stream {
        case .stdout:
            stdout.update(data: bytes)
            stdoutBytes += Int64(bytes.count)
        case .stderr:
            stderr.update(data: bytes)
            stderrBytes += Int64(bytes.count)
        }
    }

    /// What was taken so far.
    /// - Parameter droppedBytes: that were left out past the log's limit.
    public func log(droppedBytes: Int64) -> Receipt.Log {
        Receipt.Log(
            stdout: ContentDigest(bytes: stdoutBytes, sha256: stdout.finalize()),
            stderr: ContentDigest(bytes: stderrBytes, sha256: stderr.finalize()),
            droppedBytes: droppedBytes)
    }
}
