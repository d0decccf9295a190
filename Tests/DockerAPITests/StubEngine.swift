import Foundation
import Glibc
import Synchronization

@testable import DockerAPI

/// An Engine of the test's making on a temporary unix socket, which records what it is asked.
///
/// Blocking sockets, one thread for each connection. `GET /_ping` is answered without asking the handler.
final class StubEngine: Sendable {
    typealias Handler = @Sendable (Request) -> Response

    struct Request: Sendable {
        let method: String
        /// Path and query as they were sent.
        let target: String
        let headers: [String: String]
        var body: [UInt8] = []

        /// The path without query, still percent-encoded.
        var path: String { String(target.prefix { $0 != "?" }) }

        /// The query's items, decoded.
        var query: [String: String] {
            let items = target.drop { $0 != "?" }.dropFirst().split(separator: "&")
            return items.reduce(into: [:]) { query, item in
                let value = item.drop { $0 != "=" }.dropFirst()
                query[String(item.prefix { $0 != "=" })] = String(value).removingPercentEncoding
            }
        }
    }

    private struct State {
        var handler: Handler = { _ in .message(404, "page not found") }
        var requests: [Request] = []
        var connections: Set<CInt> = []
        var threads = 0
        var isStopped = false
    }

    let socketPath: String
    /// While closed, nobody is accepted.
    let accepting = Gate(isOpen: true)
    private let apiVersion: String
    private let listener: CInt
    private let state = Mutex(State())

    // MARK: What tests use

    /// Runs `body` with an Engine that is gone afterwards.
    static func with<Result>(
        backlog: CInt = 128, apiVersion: String = "1.41", answering handler: Handler? = nil,
        _ body: (StubEngine) async throws -> Result
    ) async throws -> Result {
        let stub = try StubEngine(backlog: backlog, apiVersion: apiVersion)
        if let handler { stub.answer(handler) }
        stub.spawn { $0.acceptAll() }
        do {
            let result = try await body(stub)
            try await stub.stop()
            return result
        } catch {
            try await stub.stop()
            throw error
        }
    }

    /// Runs `body` with a client of an Engine, both of which are gone afterwards.
    static func withClient<Result>(
        backlog: CInt = 128, answering handler: Handler? = nil,
        _ body: (DockerClient, StubEngine) async throws -> Result
    ) async throws -> Result {
        try await with(backlog: backlog, answering: handler) { stub in
            try await DockerClient.withClient(.init(socketPath: stub.socketPath)) { try await body($0, stub) }
        }
    }

    /// What to answer to everything but pings, from now on.
    func answer(_ handler: @escaping Handler) { state.withLock { $0.handler = handler } }

    /// All requests so far but pings.
    var requests: [Request] { state.withLock { $0.requests } }

    /// Connections that clients have open.
    var connectionCount: Int { state.withLock { $0.connections.count } }

    var isStopped: Bool { state.withLock { $0.isStopped } }

    /// Whether the kernel would turn the next connect away.
    var backlogIsFull: Bool {
        let probe = Glibc.socket(AF_UNIX, Self.streamSocket | CInt(SOCK_NONBLOCK.rawValue), 0)
        defer { close(probe) }
        return Self.withAddress(socketPath) { connect(probe, $0, $1) } != 0 && errno == EAGAIN
    }

    /// What connects to a path where a socket file is and nobody listens.
    static func leaveSocketFile(at path: String) {
        let socket = Glibc.socket(AF_UNIX, streamSocket, 0)
        _ = withAddress(path) { bind(socket, $0, $1) }
        close(socket)
    }

    static func temporaryPath() -> String { "/tmp/paddock-stub-\(UUID().uuidString.prefix(13)).sock" }

    // MARK: Threads and sockets

    private init(backlog: CInt, apiVersion: String) throws {
        self.apiVersion = apiVersion
        socketPath = Self.temporaryPath()
        listener = Glibc.socket(AF_UNIX, Self.streamSocket, 0)
        guard Self.withAddress(socketPath, { bind(listener, $0, $1) }) == 0, listen(listener, backlog) == 0 else {
            throw NotInTime(description: "no stub at \(socketPath): \(String(cString: strerror(errno)))")
        }
    }

    private func stop() async throws {
        let connections = state.withLock { state in
            state.isStopped = true
            // Inside the lock, since a connection's thread closes its descriptor inside it too.
            for connection in state.connections { shutdown(connection, CInt(SHUT_RDWR)) }
            return state.connections.count
        }
        accepting.open()
        shutdown(listener, CInt(SHUT_RDWR))
        defer {
            close(listener)
            unlink(socketPath)
        }
        try await eventually("the stub's threads end, \(connections) connections were open") {
            state.withLock { $0.threads } == 0
        }
    }

    private func spawn(_ body: @escaping @Sendable (StubEngine) -> Void) {
        state.withLock { $0.threads += 1 }
        let thread = Thread {
            body(self)
            self.state.withLock { $0.threads -= 1 }
        }
        thread.stackSize = 512 * 1024
        thread.start()
    }

    private func acceptAll() {
        while !isStopped {
            accepting.wait(unless: { self.isStopped })
            let descriptor = accept(listener, nil, nil)
            guard descriptor >= 0 else { continue }
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            let isWanted = state.withLock { state in
                if !state.isStopped { state.connections.insert(descriptor) }
                return !state.isStopped
            }
            guard isWanted else {
                close(descriptor)
                continue
            }
            spawn { stub in
                stub.serve(descriptor)
                stub.state.withLock { state in
                    state.connections.remove(descriptor)
                    _ = close(descriptor)
                }
            }
        }
    }

    private func serve(_ descriptor: CInt) {
        let connection = Connection(descriptor: descriptor, isStopped: { self.isStopped })
        // An error is the client's going away: the connection is over.
        while let request = try? connection.readRequest() {
            guard (try? response(to: request).send(on: connection)) == .keepAlive else { return }
        }
    }

    private func response(to request: Request) -> Response {
        if request.path == "/_ping" {
            return .whole(200, headers: ["Api-Version: \(apiVersion)", "Content-Type: text/plain"], "OK".bytes)
        }
        let handler = state.withLock { state in
            state.requests.append(request)
            return state.handler
        }
        return handler(request)
    }

    private static var streamSocket: CInt { CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue) }

    private static func withAddress<Result>(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
    }
}

/// Holds threads of the stub until the test lets them go.
final class Gate: Sendable {
    private let state: Mutex<Bool>

    init(isOpen: Bool = false) { state = Mutex(isOpen) }

    var isOpen: Bool { state.withLock { $0 } }
    func open() { state.withLock { $0 = true } }
    func close() { state.withLock { $0 = false } }

    /// Blocks the thread until the gate is open or `isOver`.
    func wait(unless isOver: () -> Bool) {
        while !isOpen, !isOver() { usleep(1000) }
    }
}
