import Foundation
import Testing

@testable import DockerAPI

@Suite("The real Engine", .timeLimit(.minutes(5)))
struct RealEngineTests {
    @Test("It answers ping, version and info")
    func system() async throws {
        try await RealEngine.with { engine in
            let version = try await engine.client.engineVersion()
            #expect(try await engine.client.ping() == DockerClient.APIVersion(version.apiVersion))
            #expect(engine.client.version >= DockerClient.oldestVersion)
            #expect(DockerClient.APIVersion(version.minAPIVersion) != nil)
            #expect(version.components?.isEmpty == false)
            let info = try await engine.client.info()
            #expect(info.serverVersion == version.version)
            #expect(["1", "2"].contains(info.cgroupVersion))
            #expect(info.runtimes?["runc"] != nil)
            #expect(try #require(info.nCPU) > 0)
            #expect(try #require(info.memTotal) > 1 << 20)
        }
    }

    @Test("A container lives through wait, attach, start, frames, exit, inspect, logs, archive, remove")
    func life() async throws {
        try await RealEngine.with { engine in
            let client = engine.client
            let id = try await engine.create("echo out; echo err >&2; echo kept > /tmp/file; exit 3")
            let exit = try await client.waitContainer(id, until: .nextExit)
            let output = try await client.attachOutput(id)
            try await client.startContainer(id)
            let expected: [LogStream: [UInt8]] = [.stdout: "out\n".bytes, .stderr: "err\n".bytes]
            #expect(joined(try await drain(output)) == expected)
            #expect(try await exit.value().statusCode == 3)

            let details = try await client.inspectContainer(id)
            #expect(details.id == id)
            #expect(details.name == "/\(engine.id)-a")
            #expect(details.state.status == "exited")
            #expect(details.state.exitCode == 3)
            #expect(!details.state.running && !details.state.oomKilled)
            #expect(details.config.labels?[RealEngine.label] == "dockerapi")
            #expect(details.hostConfig.networkMode == "none")
            #expect(details.image == (try await client.inspectImage(RealEngine.image)).id)

            #expect(joined(try await drain(try await client.containerLogs(id))) == expected)
            let last = try await drain(try await client.containerLogs(id, timestamps: true, tail: 1))
            #expect(joined(last).values.reduce([], +).text.contains("T"))

            let listed = try await client.listContainers(filters: engine.filters)
            #expect(listed.map(\.id) == [id])
            #expect(try await client.listContainers(all: false, filters: engine.filters).isEmpty)

            let archive = try await drain(try await client.containerArchive(id, path: "/tmp/file")).flatMap { $0 }
            #expect(archive.count >= 1024)
            #expect(archive.text.contains("kept\n"))

            try await client.removeContainer(id)
            let error = try await #require(throws: DockerError.self) { try await client.inspectContainer(id) }
            #expect(error.isNotFound)
            #expect(error.message.contains(id))
        }
    }

    @Test("A running container gives its stats, takes new limits and signals, and stops")
    func running() async throws {
        try await RealEngine.with { engine in
            let client = engine.client
            let script = "trap 'echo caught' USR1; trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done"
            let id = try await engine.create(script) { $0.hostConfig.memory = 64 << 20 }
            let exit = try await client.waitContainer(id, until: .nextExit)
            let output = try await client.attachOutput(id)
            try await client.startContainer(id)
            try await client.startContainer(id)
            var lines = output.makeAsyncIterator()
            #expect(try await lines.next()?.bytes == "up\n".bytes[...])

            #expect(try await client.inspectContainer(id).state.pid > 0)
            let stats = try await client.containerStats(id)
            #expect(try #require(stats.memory.usage) > 0)
            #expect(stats.cpu.total > 0)
            #expect(try #require(stats.pids.current) > 0)

            var update = ContainerUpdate()
            (update.memory, update.memorySwap, update.pidsLimit) = (32 << 20, 32 << 20, 20)
            update.nanoCpus = 500_000_000
            try await client.updateContainer(id, update)
            let host = try await client.inspectContainer(id).hostConfig
            #expect(host.memory == 32 << 20)
            #expect(host.pidsLimit == 20)
            #expect(host.nanoCpus == 500_000_000)

            try await client.killContainer(id, signal: "SIGUSR1")
            #expect(try await lines.next()?.bytes == "caught\n".bytes[...])
            try await client.stopContainer(id, timeoutSeconds: 60)
            #expect(try await exit.value().statusCode == 9)
            #expect(try await lines.next() == nil)

            let error = try await #require(throws: DockerError.self) {
                try await client.killContainer(id, signal: "SIGKILL")
            }
            #expect(error.isConflict)
        }
    }

    @Test("A name in use and an absent image are the Engine's refusals")
    func refusals() async throws {
        try await RealEngine.with { engine in
            _ = try await engine.create("true")
            let inUse = try await #require(throws: DockerError.self) { _ = try await engine.create("true") }
            #expect(inUse.isConflict)
            let absent = try await #require(throws: DockerError.self) {
                _ = try await engine.create("true", "b") { $0.image = "paddock/none:none" }
            }
            #expect(absent.isNotFound)
            let attach = try await #require(throws: DockerError.self) {
                _ = try await engine.client.attach("none-such")
            }
            #expect(attach.isNotFound)
            #expect(attach.message.contains("none-such"))
        }
    }

    @Test("A mebibyte of random bytes comes back from cat, and its end with it")
    func roundTrip() async throws {
        let input = [UInt8].random(1 << 20, seed: 11)
        try await RealEngine.with { engine in
            let id = try await engine.createWithInput("cat; echo over >&2")
            let exit = try await engine.client.waitContainer(id, until: .nextExit)
            let attached = try await engine.client.attach(id)
            try await engine.client.startContainer(id)
            async let frames = drain(attached.output)
            for start in stride(from: 0, to: input.count, by: 100_000) {
                try await attached.send(Array(input[start..<min(start + 100_000, input.count)]))
            }
            attached.closeInput()
            let output = joined(try await frames)
            #expect(output[.stdout, default: []].isSame(as: input))
            // Written after the end of the input: a half-close does not end the output.
            #expect(output[.stderr] == "over\n".bytes)
            #expect(try await exit.value().statusCode == 0)
        }
    }

    @Test("Events that are asked for come, and no others")
    func events() async throws {
        try await RealEngine.with { engine in
            var filters = engine.filters
            filters["event"] = ["start", "die"]
            let events = try await engine.client.events(filters: filters)
            let id = try await engine.create("exit 4")
            try await engine.client.startContainer(id)
            var iterator = events.makeAsyncIterator()
            let start = try #require(try await iterator.next())
            #expect((start.type, start.action, start.actor.id) == ("container", "start", id))
            let die = try #require(try await iterator.next())
            #expect((die.type, die.action, die.actor.id) == ("container", "die", id))
            #expect(die.actor.attributes?["exitCode"] == "4")
            #expect(die.actor.attributes?[RealEngine.label] == "dockerapi")
            #expect(try #require(die.timeNano) >= #require(start.timeNano))
        }
    }

    @Test("An image is inspected, listed, tagged and untagged")
    func images() async throws {
        try await RealEngine.with { engine in
            let client = engine.client
            let image = try await client.inspectImage(RealEngine.image)
            #expect(image.repoTags?.contains(RealEngine.image) == true)
            #expect(image.size > 0)
            let listed = try await client.listImages(filters: ["reference": [RealEngine.image]])
            #expect(listed.map(\.id) == [image.id])
            try await client.tagImage(RealEngine.image, repository: engine.id, tag: "x")
            #expect(try await client.inspectImage("\(engine.id):x").id == image.id)
            try await client.removeImage("\(engine.id):x")
            let error = try await #require(throws: DockerError.self) {
                try await client.inspectImage("\(engine.id):x")
            }
            #expect(error.isNotFound)
            #expect(try await client.inspectImage(RealEngine.image).id == image.id)
        }
    }

    @Test("A folder is built with progress, and its image runs")
    func build() async throws {
        // Never built before: a layer from the builder's cache could go while another test removes its image.
        let greeting = "built \(UInt64.random(in: 0...UInt64.max))\n"
        let files = [
            "Dockerfile": "FROM \(RealEngine.image)\nCOPY greeting /greeting\nCMD [\"cat\", \"/greeting\"]\n",
            "greeting": greeting,
        ]
        try await RealEngine.with { engine in
            let tag = "\(engine.id):built"
            let messages = try await withArchive(files) { archive in
                try await drain(
                    try await engine.client.buildImage(archive: archive, tag: tag, labels: RealEngine.labels))
            }
            #expect(messages.contains { $0.stream?.hasPrefix("Step 1/") == true })
            let image = try await engine.client.inspectImage(tag)
            #expect(messages.compactMap { $0.aux?.imageID }.last == image.id)
            #expect(image.config?.labels?[RealEngine.label] == "dockerapi")
            #expect(image.config?.cmd == ["cat", "/greeting"])

            let id = try await engine.create("") { ($0.image, $0.cmd) = (tag, nil) }
            let output = try await engine.client.attachOutput(id)
            try await engine.client.startContainer(id)
            #expect(joined(try await drain(output)) == [.stdout: greeting.bytes])
        }
    }

    @Test("A build that fails says so", arguments: ["RUN exit 7\n", "COPY absent /x\n", "NONSENSE\n"])
    func failingBuild(line: String) async throws {
        try await RealEngine.with { engine in
            try await withArchive(["Dockerfile": "FROM \(RealEngine.image)\n" + line]) { archive in
                let error = try await #require(throws: DockerError.self) {
                    _ = try await drain(
                        try await engine.client.buildImage(archive: archive, tag: engine.id, network: "none"))
                }
                // What the parser refuses is a status; what the builder refuses stands in the stream.
                #expect([.reported, .status].contains(error.code))
                #expect(!error.message.isEmpty)
            }
        }
    }

    @Test("What is no archive of images cannot be loaded")
    func badLoad() async throws {
        try await RealEngine.with { engine in
            try await withArchive(["greeting": "no image\n"]) { archive in
                let error = try await #require(throws: DockerError.self) {
                    _ = try await drain(try await engine.client.loadImages(archive: archive))
                }
                #expect([.reported, .status].contains(error.code))
            }
        }
    }

    @Test("A pull from a registry that is not there is an error")
    func badPull() async throws {
        try await RealEngine.with { engine in
            let error = try await #require(throws: DockerError.self) {
                _ = try await drain(try await engine.client.pullImage("127.0.0.1:1/x", tag: "1"))
            }
            #expect([.reported, .status].contains(error.code))
            #expect(error.message.contains("127.0.0.1:1"))
        }
    }

    @Test("Volumes and networks are listed, and absent ones cannot be removed")
    func volumesAndNetworks() async throws {
        try await RealEngine.with { engine in
            let volumes = try await engine.client.listVolumes(filters: engine.filters)
            #expect(volumes.isEmpty)
            #expect(try await engine.client.listNetworks().contains { $0.name == "none" })
            #expect(try await engine.client.listNetworks(filters: engine.filters).isEmpty)
            let volume = try await #require(throws: DockerError.self) {
                try await engine.client.removeVolume("\(engine.id)-none")
            }
            #expect(volume.isNotFound)
            let network = try await #require(throws: DockerError.self) {
                try await engine.client.removeNetwork("\(engine.id)-none")
            }
            #expect(network.isNotFound)
        }
    }
}
