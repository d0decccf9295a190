import Foundation
import Glibc
import Synchronization

/// The stub's side of hijacked connections, held by the test: what came from the client, and what to write to it.
final class StubHijack: Sendable {
    private struct State {
        var descriptor: CInt?
        var received: [UInt8] = []
        var early: Int?
        var inputIsClosed = false
        var isOver = false
    }

    /// Closed, the 101 head is held back.
    let head = Gate(isOpen: true)
    /// Closed, nothing is read from the client.
    let reading = Gate(isOpen: true)
    private let hangUp = Gate()
    private let state = Mutex(State())

    var received: [UInt8] { state.withLock { $0.received } }
    /// Bytes that had come from the client when the head was about to be written.
    var bytesBeforeHead: Int? { state.withLock { $0.early } }
    /// Whether the client has closed its side for sending.
    var inputIsClosed: Bool { state.withLock { $0.inputIsClosed } }
    var isOpen: Bool { state.withLock { $0.descriptor != nil } }
    var isOver: Bool { state.withLock { $0.isOver } }

    /// The answer that hands the connection to this object.
    var response: StubEngine.Response {
        StubEngine.Response(steps: [.wait(head), .run { [self] in try serve($0) }])
    }

    /// Writes to the client; blocks while it does not read.
    func write(_ bytes: [UInt8]) {
        guard let descriptor = state.withLock({ $0.descriptor }) else { return }
        _ = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
    }

    /// Closes the connection.
    func close() { hangUp.open() }

    private func serve(_ connection: StubEngine.Connection) throws {
        defer {
            state.withLock { state in
                state.isOver = true
                state.descriptor = nil
            }
        }
        let early = connection.bytesWaiting()
        state.withLock { $0.early = early }
        try connection.write(StubEngine.Response.upgradeHead)
        state.withLock { $0.descriptor = connection.descriptor }
        while !inputIsClosed {
            reading.wait(unless: { connection.isStopped() || hangUp.isOpen })
            guard try hasInput(connection) else { return }
            let bytes = try connection.read()
            state.withLock { state in
                state.received += bytes
                state.inputIsClosed = bytes.isEmpty
            }
        }
        while !hangUp.isOpen, !connection.isStopped() {
            // A half-close shows as readable; only the end of both directions shows as hung up.
            var poll = pollfd(fd: connection.descriptor, events: 0, revents: 0)
            if Glibc.poll(&poll, 1, 5) > 0 { return }
        }
    }

    /// Waits until the client has sent something or closed its side; false when the test hangs up first.
    private func hasInput(_ connection: StubEngine.Connection) throws -> Bool {
        while !hangUp.isOpen {
            var poll = pollfd(fd: connection.descriptor, events: Int16(POLLIN), revents: 0)
            if Glibc.poll(&poll, 1, 5) > 0 { return true }
        }
        return false
    }
}
