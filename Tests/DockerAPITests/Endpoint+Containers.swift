@testable import DockerAPI

extension Endpoint {
    static let containers: [Endpoint] = [
        Endpoint(
            name: "createContainer", method: "POST", path: "/containers/create", query: ["name": "a b/ü&=c"],
            body: #"{"Image":"paddock/busybox:1","Cmd":["true"],"HostConfig":{"NetworkMode":"none"}}"#,
            answer: .json(#"{"Id":"9d1f","Warnings":["no swap limit"]}"#, status: 201), gives: "9d1f no swap limit"
        ) { client in
            var spec = ContainerSpec(image: "paddock/busybox:1")
            spec.cmd = ["true"]
            spec.hostConfig.networkMode = "none"
            let created = try await client.createContainer(name: "a b/ü&=c", spec)
            return "\(created.id) \(created.warnings?.first ?? "")"
        },
        Endpoint(
            name: "inspectContainer", method: "GET", path: "/containers/9d1f/json", answer: .json(inspection),
            gives: "9d1f /n sha256:aa exited false 0 137 true  2026-11-21T10:00:00Z 2026-11-21T10:00:01Z "
                + "1 2 A=b false 67108864 64 1500000000 none true runc"
        ) { client in
            let it = try await client.inspectContainer("9d1f")
            let (state, config, host) = (it.state, it.config, it.hostConfig)
            return "\(it.id) \(it.name) \(it.image) \(state.status) \(state.running) \(state.pid) \(state.exitCode) "
                + "\(state.oomKilled) \(state.error) \(state.startedAt) \(state.finishedAt) "
                + "\(config.labels?["io.paddock.Owner"] ?? "?") \(config.labels?["Upper"] ?? "?") "
                + "\(config.env?.first ?? "?") \(config.tty) \(host.memory) \(host.pidsLimit ?? 0) \(host.nanoCpus) "
                + "\(host.networkMode) \(host.readonlyRootfs) \(host.runtime ?? "?")"
        },
        Endpoint(
            name: "inspectContainer with a name that needs escaping", method: "GET",
            path: "/containers/a%2Fb%20%3F/json", answer: .json(inspection), gives: "9d1f"
        ) { try await $0.inspectContainer("a/b ?").id },
        Endpoint(
            name: "listContainers", method: "GET", path: "/containers/json",
            query: ["all": "true", "filters": #"{"Ancestor":["x"],"label":["a=b/c","d"]}"#],
            answer: .json(
                """
                [{"Id":"9d1f","Names":["/n"],"Image":"x:1","ImageID":"sha256:aa","Command":"true","Created":1763719200,
                "Ports":[],"Labels":{"io.paddock.Owner":"1"},"State":"running","Status":"Up 2 seconds",
                "HostConfig":{"NetworkMode":"none"},"NetworkSettings":{"Networks":{}},"Mounts":[]}]
                """), gives: "9d1f /n x:1 sha256:aa running 1763719200 1"
        ) { client in
            let list = try await client.listContainers(filters: ["label": ["a=b/c", "d"], "Ancestor": ["x"]])
            return list.map {
                "\($0.id) \($0.names.joined()) \($0.image) \($0.imageID) \($0.state) \($0.created) "
                    + ($0.labels["io.paddock.Owner"] ?? "?")
            }.joined()
        },
        Endpoint(
            name: "listContainers that run", method: "GET", path: "/containers/json", answer: .json("[]"), gives: "0"
        ) { "\(try await $0.listContainers(all: false).count)" },
        Endpoint(name: "startContainer", method: "POST", path: "/containers/9d1f/start") {
            try await $0.startContainer("9d1f")
            return ""
        },
        Endpoint(
            name: "startContainer that runs", method: "POST", path: "/containers/9d1f/start", answer: .whole(304)
        ) {
            try await $0.startContainer("9d1f")
            return ""
        },
        Endpoint(name: "stopContainer", method: "POST", path: "/containers/9d1f/stop", query: ["t": "7"]) {
            try await $0.stopContainer("9d1f", timeoutSeconds: 7)
            return ""
        },
        Endpoint(
            name: "killContainer", method: "POST", path: "/containers/9d1f/kill", query: ["signal": "SIGTERM"]
        ) {
            try await $0.killContainer("9d1f", signal: "SIGTERM")
            return ""
        },
        Endpoint(
            name: "updateContainer", method: "POST", path: "/containers/9d1f/update",
            body: #"{"Memory":8388608,"MemorySwap":8388608,"NanoCpus":500000000,"PidsLimit":32}"#,
            answer: .json(#"{"Warnings":null}"#)
        ) { client in
            var update = ContainerUpdate()
            (update.memory, update.memorySwap, update.nanoCpus, update.pidsLimit) = (8 << 20, 8 << 20, 500_000_000, 32)
            try await client.updateContainer("9d1f", update)
            return ""
        },
        Endpoint(
            name: "updateContainer of one limit", method: "POST", path: "/containers/9d1f/update",
            body: #"{"PidsLimit":1}"#, answer: .json(#"{"Warnings":null}"#)
        ) { client in
            var update = ContainerUpdate()
            update.pidsLimit = 1
            try await client.updateContainer("9d1f", update)
            return ""
        },
        Endpoint(
            name: "containerStats", method: "GET", path: "/containers/9d1f/stats",
            query: ["stream": "false", "one-shot": "true"], answer: .json(stats),
            gives: "6537216 6651904 67502080 100215355 3 64"
        ) { client in
            let it = try await client.containerStats("9d1f")
            return "\(it.memory.usage ?? 0) \(it.memory.peak ?? 0) \(it.memory.limit ?? 0) \(it.cpu.total) "
                + "\(it.pids.current ?? 0) \(it.pids.limit ?? 0)"
        },
        Endpoint(
            name: "containerStats of one that does not run", method: "GET", path: "/containers/9d1f/stats",
            query: ["stream": "false", "one-shot": "true"],
            answer: .json(#"{"pids_stats":{},"cpu_stats":{"cpu_usage":{"total_usage":0}},"memory_stats":{}}"#),
            gives: "true 0"
        ) { client in
            let it = try await client.containerStats("9d1f")
            return "\(it.memory.usage == nil && it.pids.current == nil) \(it.cpu.total)"
        },
        Endpoint(name: "removeContainer", method: "DELETE", path: "/containers/9d1f", query: ["v": "true"]) {
            try await $0.removeContainer("9d1f")
            return ""
        },
        Endpoint(
            name: "removeContainer by force", method: "DELETE", path: "/containers/9d1f",
            query: ["v": "true", "force": "true"]
        ) {
            try await $0.removeContainer("9d1f", force: true)
            return ""
        },
    ]

    static let containerStreams: [Endpoint] = [
        Endpoint(
            name: "attach", method: "POST", path: "/containers/9d1f/attach",
            query: ["stream": "1", "stdin": "1", "stdout": "1", "stderr": "1"],
            headers: ["connection": "Upgrade", "upgrade": "tcp"],
            answer: .hijacked { try $0.write(frame(.stdout, "out".bytes) + frame(.stderr, "err".bytes)) },
            gives: "out err"
        ) { show(try await drain(try await $0.attach("9d1f").output)) },
        Endpoint(
            name: "attachOutput", method: "POST", path: "/containers/9d1f/attach",
            query: ["stream": "1", "stdout": "1", "stderr": "1"], answer: rawStream, gives: "out err"
        ) { show(try await drain(try await $0.attachOutput("9d1f"))) },
        Endpoint(
            name: "containerLogs", method: "GET", path: "/containers/9d1f/logs",
            query: ["stdout": "1", "stderr": "1"], answer: rawStream, gives: "out err"
        ) { show(try await drain(try await $0.containerLogs("9d1f"))) },
        Endpoint(
            name: "containerLogs with everything", method: "GET", path: "/containers/9d1f/logs",
            query: [
                "stdout": "1", "stderr": "1", "follow": "1", "since": "1763719200.5", "timestamps": "1", "tail": "10",
            ], answer: rawStream, gives: "out err"
        ) {
            show(
                try await drain(
                    try await $0.containerLogs(
                        "9d1f", follow: true, since: "1763719200.5", timestamps: true, tail: 10)))
        },
        Endpoint(
            name: "waitContainer", method: "POST", path: "/containers/9d1f/wait", query: ["condition": "next-exit"],
            answer: .chunked([#"{"StatusCode":137,"Error":null}"#.bytes]), gives: "137 none"
        ) { show(try await $0.waitContainer("9d1f", until: .nextExit).value()) },
        Endpoint(
            name: "waitContainer that fails", method: "POST", path: "/containers/9d1f/wait",
            query: ["condition": "removed"],
            answer: .chunked([#"{"StatusCode":-1,"Error":{"Message":"gone"}}"#.bytes]), gives: "-1 gone"
        ) { show(try await $0.waitContainer("9d1f", until: .removed).value()) },
        Endpoint(
            name: "waitContainer in the form of old Engines", method: "POST", path: "/containers/9d1f/wait",
            query: ["condition": "not-running"], answer: .chunked([#"{"StatusCode":0}"#.bytes]), gives: "0 none"
        ) { show(try await $0.waitContainer("9d1f", until: .notRunning).value()) },
        Endpoint(
            name: "containerArchive", method: "GET", path: "/containers/9d1f/archive", query: ["path": "/out/a b.json"],
            answer: .chunked(["tar".bytes, " bytes".bytes]), gives: "tar bytes"
        ) {
            try await drain(try await $0.containerArchive("9d1f", path: "/out/a b.json")).flatMap { $0 }.text
        },
    ]

    private static func show(_ frames: [LogFrame]) -> String {
        let all = joined(frames)
        return "\(all[.stdout, default: []].text) \(all[.stderr, default: []].text)"
    }

    private static func show(_ exit: ContainerExit) -> String { "\(exit.statusCode) \(exit.error?.message ?? "none")" }

    /// As the Engine answers without an upgrade: neither length nor chunks, the connection's end is the end.
    private static let rawStream = StubEngine.Response.raw([
        StubEngine.Response.head(200, ["Content-Type: application/vnd.docker.raw-stream"]),
        frame(.stdout, "out".bytes), frame(.stderr, "err".bytes),
    ])

    private static let inspection = """
        {"Id":"9d1f","Created":"2026-11-21T09:59:59Z","Path":"true","Args":[],"State":{"Status":"exited",
        "Running":false,"Paused":false,"Restarting":false,"OOMKilled":true,"Dead":false,"Pid":0,"ExitCode":137,
        "Error":"","StartedAt":"2026-11-21T10:00:00Z","FinishedAt":"2026-11-21T10:00:01Z"},"Image":"sha256:aa",
        "Name":"/n","RestartCount":0,"Driver":"overlay2","Platform":"linux","HostConfig":{"Binds":null,
        "NetworkMode":"none","Memory":67108864,"NanoCpus":1500000000,"PidsLimit":64,"ReadonlyRootfs":true,
        "Runtime":"runc"},"Config":{"Hostname":"h","Tty":false,"Env":["A=b"],"Labels":{"io.paddock.Owner":"1",
        "Upper":"2"}},"NetworkSettings":{"Networks":{}}}
        """

    private static let stats = """
        {"read":"2026-11-21T10:00:00Z","pids_stats":{"current":3,"limit":64},"num_procs":0,"storage_stats":{},
        "cpu_stats":{"cpu_usage":{"total_usage":100215355,"usage_in_kernelmode":30310751},"online_cpus":2},
        "precpu_stats":{"cpu_usage":{"total_usage":0}},"memory_stats":{"usage":6537216,"max_usage":6651904,
        "stats":{"cache":0},"limit":67502080},"name":"/n","id":"9d1f","networks":{}}
        """
}
