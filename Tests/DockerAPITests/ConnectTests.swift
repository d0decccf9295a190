import Foundation
import Glibc
import Testing

@testable import DockerAPI

@Suite("Reaching the Engine", .timeLimit(.minutes(5)))
struct ConnectTests {
    // MARK: DOCKER_HOST

    @Test(
        "DOCKER_HOST names a unix socket",
        arguments: [
            (nil, "/var/run/docker.sock"), ("", "/var/run/docker.sock"), ("unix:///run/x.sock", "/run/x.sock"),
            ("/run/x.sock", "/run/x.sock"),
        ] as [(String?, String)])
    func dockerHost(host: String?, path: String) throws {
        #expect(try DockerClient.Configuration(dockerHost: host).socketPath == path)
    }

    @Test(
        "A DOCKER_HOST that is none says what is supported",
        arguments: [
            "tcp://127.0.0.1:2375", "ssh://user@host", "http://localhost", "npipe:////./pipe/docker_engine",
            "fd://", "unix://", "unix://run/x.sock", "run/x.sock", "./x.sock", "localhost:2375", "UNIX:///x", " /x",
        ])
    func unsupportedHost(host: String) throws {
        let error = try #require(throws: DockerError.self) { try DockerClient.Configuration(dockerHost: host) }
        #expect(error.code == .unsupportedHost)
        #expect(error.description.contains(host))
        #expect(error.message.contains("unix") || error.message.contains("absolute"))
    }

    @Test("A socket's path has at most 107 bytes", arguments: ["", "unix://"])
    func longPath(scheme: String) throws {
        let longest = "/" + String(repeating: "x", count: 106)
        #expect(try DockerClient.Configuration(dockerHost: scheme + longest).socketPath == longest)
        let error = try #require(throws: DockerError.self) {
            try DockerClient.Configuration(dockerHost: scheme + longest + "x")
        }
        #expect(error.code == .unsupportedHost)
        #expect(error.message.contains("107"))
        // Bytes count, not characters.
        #expect(throws: DockerError.self) {
            try DockerClient.Configuration(dockerHost: scheme + "/" + String(repeating: "ü", count: 54))
        }
    }

    // MARK: Sockets

    private func failure(connectingTo path: String) async throws -> DockerError {
        try await #require(throws: DockerError.self) {
            try await DockerClient.connect(.init(socketPath: path)).shutdown()
        }
    }

    @Test("A missing socket is named, with what to do", arguments: ["/tmp/paddock-none.sock", "/nowhere/x.sock"])
    func missing(path: String) async throws {
        let error = try await failure(connectingTo: path)
        #expect(error.code == .socketMissing)
        #expect(error.message.contains(path))
        #expect(error.message.contains("DOCKER_HOST"))
        #expect(error.operation == "GET /_ping")
        #expect(error.isEngineAway)
    }

    @Test("A socket on which nobody listens is named, with what to do")
    func notListening() async throws {
        let path = StubEngine.temporaryPath()
        StubEngine.leaveSocketFile(at: path)
        defer { unlink(path) }
        let error = try await failure(connectingTo: path)
        #expect(error.code == .notListening)
        #expect(error.message.contains(path))
        #expect(error.message.contains("start"))
    }

    @Test("A file that is no socket is not listened on")
    func noSocket() async throws {
        let path = StubEngine.temporaryPath()
        try Data().write(to: URL(fileURLWithPath: path))
        defer { unlink(path) }
        #expect(try await failure(connectingTo: path).code == .notListening)
    }

    @Test("A refused permission names the socket, with what to do")
    func permission() async throws {
        try await StubEngine.with { stub in
            chmod(stub.socketPath, 0)
            let transport = try await Self.transportOfNobody(socketPath: stub.socketPath)
            let client = DockerClient(
                version: DockerClient.oldestVersion, configuration: .init(socketPath: stub.socketPath),
                transport: transport)
            defer { client.shutdown() }
            let error = try await #require(throws: DockerError.self) { try await client.ping() }
            #expect(error.code == .permissionDenied)
            #expect(error.message.contains(stub.socketPath))
            #expect(error.message.contains("group"))
        }
    }

    /// A transport whose thread has no right to files of others. The kernel keeps a thread's file-system user apart,
    /// new threads inherit it, and root's power over files goes with it (capabilities(7)): so root can be refused too.
    private static func transportOfNobody(socketPath: String) async throws -> CurlTransport {
        try await withCheckedThrowingContinuation { continuation in
            Thread {
                let nobody: UInt32 = 65534
                if let symbol = dlsym(nil, "setfsuid") {
                    _ = unsafeBitCast(symbol, to: (@convention(c) (UInt32) -> CInt).self)(nobody)
                }
                continuation.resume(with: Result { try CurlTransport(socketPath: socketPath) })
            }.start()
        }
    }

    // MARK: Versions

    @Test(
        "The newest version that both sides know is spoken",
        arguments: [("1.41", 41), ("1.44", 44), ("1.47", 47), ("1.99", 47)])
    func negotiation(engine: String, minor: Int) async throws {
        try await StubEngine.with(apiVersion: engine, answering: { _ in .json("[]") }) { stub in
            try await DockerClient.withClient(.init(socketPath: stub.socketPath)) { client in
                #expect(client.version == DockerClient.APIVersion(major: 1, minor: minor))
                _ = try await client.listContainers()
                #expect(stub.requests.map(\.path) == ["/v1.\(minor)/containers/json"])
            }
        }
    }

    @Test("An Engine that is too old says so", arguments: ["1.40", "1.9", "0.99"])
    func tooOld(version: String) async throws {
        try await StubEngine.with(apiVersion: version) { stub in
            let error = try await failure(connectingTo: stub.socketPath)
            #expect(error.code == .unsupportedVersion)
            #expect(error.message.contains(version))
            #expect(error.message.contains("upgrade"))
        }
    }

    @Test("An Engine that names no version is not the Engine", arguments: ["", "one", "1", "1.41.2", "1.x"])
    func noVersion(version: String) async throws {
        try await StubEngine.with(apiVersion: version) { stub in
            let error = try await failure(connectingTo: stub.socketPath)
            #expect(error.code == .malformedResponse)
        }
    }

    // MARK: Shutdown

    @Test("Calls after a shutdown are refused")
    func afterShutdown() async throws {
        try await StubEngine.with { stub in
            let client = try await DockerClient.connect(.init(socketPath: stub.socketPath))
            client.shutdown()
            let error = try await #require(throws: DockerError.self) { try await client.info() }
            #expect(error.code == .closed)
            #expect(error.operation == "GET /info")
            let attached = try await #require(throws: DockerError.self) { _ = try await client.attach("x") }
            #expect(attached.code == .closed)
            #expect(stub.requests.isEmpty)
        }
    }

    @Test("A shutdown ends what is under way: calls, streams, hijacked connections")
    func duringCalls() async throws {
        let hijack = StubHijack()
        try await StubEngine.with { stub in
            stub.answer { request in
                if request.path.hasSuffix("/attach") { return hijack.response }
                return request.path.hasSuffix("/events") ? .chunked([], then: [.hang]) : .silence
            }
            let client = try await DockerClient.connect(.init(socketPath: stub.socketPath))
            let events = try await client.events()
            let attached = try await client.attach("x")
            let tasks = [
                Task { _ = try await client.info() }, Task { _ = try await drain(events) },
                Task { _ = try await drain(attached.output) },
            ]
            try await eventually("the call is with the Engine") { stub.requests.count == 3 }
            client.shutdown()
            for task in tasks {
                let error = try await #require(throws: DockerError.self) { try await task.value }
                #expect(error.code == .closed)
            }
            try await eventually("no connection is left") { stub.connectionCount == 0 }
        }
    }

    @Test("A second shutdown does nothing: it writes to no descriptor that others have got since")
    func secondShutdown() async throws {
        try await StubEngine.with { stub in
            for _ in 0..<20 {
                let client = try await DockerClient.connect(.init(socketPath: stub.socketPath))
                client.shutdown()
                // The lowest free numbers: those that the client's wake-up pair had.
                var sockets = [[CInt]](repeating: [-1, -1], count: 8)
                for index in sockets.indices {
                    socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &sockets[index])
                }
                client.shutdown()
                for socket in sockets.joined() {
                    var byte: UInt8 = 0
                    #expect(recv(socket, &byte, 1, CInt(MSG_DONTWAIT)) == -1)
                }
                for socket in sockets.joined() { close(socket) }
            }
        }
    }
}
