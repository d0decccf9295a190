/// A container's standard streams over one hijacked connection.
public struct AttachedContainer: Sendable {
    let connection: CurlTransport.Connection
    /// What the container writes, from the moment of the attach.
    public let output: LogFrames

    /// Writes to the container's stdin. Returns when the bytes are with the kernel; a container that does not read
    /// makes it wait.
    /// - Throws: ``DockerError`` when the connection is gone or its input was closed.
    public func send(_ bytes: [UInt8]) async throws { try await connection.send(bytes) }

    /// Ends the container's stdin, after everything sent before; its output goes on (with `StdinOnce`).
    public func closeInput() { connection.closeInput() }

    /// Whether the connection stands, as far as is known without reading or writing.
    public var isOpen: Bool { connection.isOpen }

    /// Lets go of the connection.
    public func detach() { connection.cancel() }
}
