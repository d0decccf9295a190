import Foundation
import Testing

@testable import DockerAPI

/// One endpoint: how it is called, what must be sent for it, and what is read from a realistic answer.
struct Endpoint: Sendable, CustomTestStringConvertible {
    let name: String
    let method: String
    /// Without the API version, as it is sent.
    let path: String
    var query: [String: String] = [:]
    /// JSON; nil for a request without body.
    var body: String?
    var headers: [String: String] = [:]
    var answer: StubEngine.Response = .noContent
    /// What `call` is to make of the answer.
    var gives = ""
    let call: @Sendable (DockerClient) async throws -> String

    var testDescription: String { name }
}

@Suite("Endpoints", .timeLimit(.minutes(5)))
struct EndpointTests {
    static let all = Endpoint.containers + Endpoint.containerStreams + Endpoint.images + Endpoint.system

    @Test("An endpoint sends what the Engine's API describes and reads its answer", arguments: all)
    func endpoint(_ endpoint: Endpoint) async throws {
        try await StubEngine.withClient(answering: { _ in endpoint.answer }) { client, stub in
            let given = try await endpoint.call(client)
            #expect(given == endpoint.gives)
            let request = try #require(stub.requests.first)
            #expect(stub.requests.count == 1)
            #expect(request.method == endpoint.method)
            #expect(request.path == "/v1.41" + endpoint.path)
            #expect(request.query == endpoint.query)
            if let body = endpoint.body {
                #expect(try canonical(request.body.text) == canonical(body))
                #expect(request.headers["content-type"] == "application/json")
            } else {
                #expect(request.body.isEmpty)
                #expect(request.headers["content-type"] == nil)
            }
            for (name, value) in endpoint.headers { #expect(request.headers[name] == value) }
        }
    }

    @Test("A ping names no version and reads the Api-Version of the answer")
    func ping() async throws {
        try await StubEngine.with(apiVersion: "1.44") { stub in
            try await DockerClient.withClient(.init(socketPath: stub.socketPath)) { client in
                let version = try await client.ping()
                #expect(version == DockerClient.APIVersion(major: 1, minor: 44))
                #expect(client.version == DockerClient.APIVersion(major: 1, minor: 44))
                // The stub answers only the unversioned path by itself.
                #expect(stub.requests.isEmpty)
            }
        }
    }

    @Test("A build sends the archive's bytes as a tar")
    func build() async throws {
        let archive = [UInt8].random(300_000, seed: 1)
        try await upload(archive) { client, path in
            let progress = try await client.buildImage(
                archive: path, tag: "paddock/x:1", labels: ["io.Paddock.A": "b c", "a": "1"], network: "none")
            let messages = try await drain(progress)
            #expect(messages.compactMap(\.stream) == ["Step 1/2 : FROM paddock/busybox:1\n", "\n"])
            #expect(messages.compactMap { $0.aux?.imageID } == ["sha256:c309259fc233"])
        } answering: {
            .chunked([
                #"{"stream":"Step 1/2 : FROM paddock/busybox:1\n"}"#.bytes + "\r\n".bytes,
                #"{"stream":"\n"}"#.bytes + "\r\n".bytes, #"{"aux":{"ID":"sha256:c309259fc233"}}"#.bytes + "\r\n".bytes,
            ])
        } check: { request in
            #expect(request.path == "/v1.41/build")
            var query = request.query
            #expect(query.removeValue(forKey: "labels") == #"{"a":"1","io.Paddock.A":"b c"}"#)
            #expect(
                query == ["t": "paddock/x:1", "version": "1", "rm": "1", "forcerm": "1", "networkmode": "none"])
            #expect(request.body.isSame(as: archive))
        }
    }

    @Test("A load sends the archive's bytes as a tar", arguments: [0, 1, 65_536, 3_000_001])
    func load(size: Int) async throws {
        let archive = [UInt8].random(size, seed: 2)
        try await upload(archive) { client, path in
            let messages = try await drain(try await client.loadImages(archive: path))
            #expect(messages.compactMap(\.stream) == ["Loaded image: paddock/hello:latest\n"])
        } answering: {
            .chunked([#"{"stream":"Loaded image: paddock/hello:latest\n"}"#.bytes + "\r\n".bytes])
        } check: { request in
            #expect(request.path == "/v1.41/images/load")
            #expect(request.query.isEmpty)
            #expect(request.body.isSame(as: archive))
        }
    }

    private func upload(
        _ archive: [UInt8], _ call: (DockerClient, String) async throws -> Void,
        answering answer: @escaping @Sendable () -> StubEngine.Response, check: (StubEngine.Request) throws -> Void
    ) async throws {
        let path = StubEngine.temporaryPath() + ".tar"
        try Data(archive).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await StubEngine.withClient(answering: { _ in answer() }) { client, stub in
            try await call(client, path)
            let request = try #require(stub.requests.first)
            #expect(request.method == "POST")
            #expect(request.headers["content-type"] == "application/x-tar")
            #expect(request.headers["content-length"] == String(archive.count))
            try check(request)
        }
    }

    @Test("Every field of a container's specification has the Engine's name")
    func specification() async throws {
        var spec = ContainerSpec(image: "sha256:abc")
        spec.entrypoint = ["/init"]
        spec.cmd = ["a", ""]
        spec.env = ["A=b/c"]
        spec.workingDir = "/w"
        spec.user = "1000:1000"
        spec.hostname = "h"
        spec.labels = ["io.paddock.Owner": "1", "lower": "2", "Upper": "3"]
        (spec.attachStdin, spec.attachStdout, spec.attachStderr) = (true, true, false)
        (spec.openStdin, spec.stdinOnce, spec.tty, spec.networkDisabled) = (true, true, false, true)
        spec.stopSignal = "SIGTERM"
        spec.healthcheck = .init(test: ["NONE"])
        (spec.hostConfig.memory, spec.hostConfig.memorySwap) = (67_108_864, 67_108_864)
        (spec.hostConfig.memorySwappiness, spec.hostConfig.nanoCpus, spec.hostConfig.pidsLimit) = (0, 1_500_000_000, 64)
        spec.hostConfig.ulimits = [.init(name: "nofile", soft: 64, hard: 128)]
        (spec.hostConfig.capDrop, spec.hostConfig.capAdd) = (["ALL"], ["CHOWN"])
        spec.hostConfig.securityOpt = ["no-new-privileges"]
        spec.hostConfig.readonlyRootfs = true
        spec.hostConfig.tmpfs = ["/tmp": "size=1m", "/Var": "nr_inodes=10"]
        spec.hostConfig.mounts = [.init(type: "bind", source: "/s", target: "/t", readOnly: true)]
        (spec.hostConfig.networkMode, spec.hostConfig.ipcMode, spec.hostConfig.pidMode) = ("none", "private", "host")
        (spec.hostConfig.cgroupnsMode, spec.hostConfig.cgroupParent) = ("private", "/paddock")
        (spec.hostConfig.shmSize, spec.hostConfig.oomScoreAdj) = (65536, 500)
        spec.hostConfig.sysctls = ["kernel.shmmni": "0"]
        (spec.hostConfig.maskedPaths, spec.hostConfig.readonlyPaths) = (["/proc/kcore"], ["/proc/sys"])
        (spec.hostConfig.privileged, spec.hostConfig.runtime) = (false, "runc")
        spec.hostConfig.logConfig = .init(type: "local", config: ["max-size": "1m"])
        spec.hostConfig.restartPolicy = .init(name: "no")
        (spec.hostConfig.autoRemove, spec.hostConfig.`init`) = (false, true)
        try await expectBody(of: spec, Self.everyField)
    }

    @Test("A field that is not set is not sent")
    func emptySpecification() async throws {
        try await expectBody(of: ContainerSpec(image: "x:1"), #"{"Image":"x:1","HostConfig":{}}"#)
    }

    private func expectBody(of spec: ContainerSpec, _ json: String) async throws {
        try await StubEngine.withClient(answering: { _ in .json(#"{"Id":"1","Warnings":[]}"#, status: 201) }) {
            _ = try await $0.createContainer(name: "n", spec)
            #expect(try canonical(try #require($1.requests.first).body.text) == canonical(json))
        }
    }

    private static let everyField = """
        {"Image":"sha256:abc","Entrypoint":["/init"],"Cmd":["a",""],"Env":["A=b/c"],"WorkingDir":"/w",
        "User":"1000:1000","Hostname":"h","Labels":{"io.paddock.Owner":"1","lower":"2","Upper":"3"},
        "AttachStdin":true,"AttachStdout":true,"AttachStderr":false,"OpenStdin":true,"StdinOnce":true,"Tty":false,
        "NetworkDisabled":true,"StopSignal":"SIGTERM","Healthcheck":{"Test":["NONE"]},
        "HostConfig":{"Memory":67108864,"MemorySwap":67108864,"MemorySwappiness":0,"NanoCpus":1500000000,
        "PidsLimit":64,"Ulimits":[{"Name":"nofile","Soft":64,"Hard":128}],"CapDrop":["ALL"],"CapAdd":["CHOWN"],
        "SecurityOpt":["no-new-privileges"],"ReadonlyRootfs":true,
        "Tmpfs":{"/tmp":"size=1m","/Var":"nr_inodes=10"},
        "Mounts":[{"Type":"bind","Source":"/s","Target":"/t","ReadOnly":true}],
        "NetworkMode":"none","IpcMode":"private","PidMode":"host","CgroupnsMode":"private",
        "CgroupParent":"/paddock","ShmSize":65536,"OomScoreAdj":500,"Sysctls":{"kernel.shmmni":"0"},
        "MaskedPaths":["/proc/kcore"],"ReadonlyPaths":["/proc/sys"],"Privileged":false,"Runtime":"runc",
        "LogConfig":{"Type":"local","Config":{"max-size":"1m"}},"RestartPolicy":{"Name":"no"},
        "AutoRemove":false,"Init":true}}
        """
}
