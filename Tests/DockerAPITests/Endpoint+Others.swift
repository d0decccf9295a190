@testable import DockerAPI

extension Endpoint {
    static let images: [Endpoint] = [
        Endpoint(
            name: "inspectImage", method: "GET", path: "/images/paddock%2Fbusybox%3A1/json",
            answer: .json(
                """
                {"Id":"sha256:c309","RepoTags":["paddock/busybox:1"],"RepoDigests":["r.io/b@sha256:dd"],"Parent":"",
                "Created":"2026-05-01T00:00:00Z","Architecture":"amd64","Os":"linux","Size":1990000,
                "VirtualSize":1990000,"Config":{"User":"1000","Env":["PATH=/bin"],"Entrypoint":["/e"],"Cmd":["sh"],
                "WorkingDir":"/w","Volumes":{"/Data":{}},"Labels":{"Upper.Case":"kept"}},
                "RootFS":{"Type":"layers","Layers":["sha256:ee"]}}
                """),
            gives: "sha256:c309 paddock/busybox:1 r.io/b@sha256:dd 1990000 amd64 linux "
                + "1000 PATH=/bin /e sh /w /Data kept"
        ) { client in
            let it = try await client.inspectImage("paddock/busybox:1")
            let lists = [it.config?.env, it.config?.entrypoint, it.config?.cmd].map { $0?.joined() ?? "?" }
            return "\(it.id) \(it.repoTags?.first ?? "?") \(it.repoDigests?.first ?? "?") \(it.size) "
                + "\(it.architecture) \(it.os) \(it.config?.user ?? "?") \(lists.joined(separator: " ")) "
                + "\(it.config?.workingDir ?? "?") \(it.config?.volumes?.keys.first ?? "?") "
                + "\(it.config?.labels?["Upper.Case"] ?? "?")"
        },
        Endpoint(
            name: "listImages", method: "GET", path: "/images/json",
            query: ["filters": #"{"reference":["paddock/*"]}"#],
            answer: .json(
                """
                [{"Containers":-1,"Created":1,"Id":"sha256:c309","Labels":{"A":"b"},"ParentId":"","RepoDigests":null,
                "RepoTags":["paddock/busybox:1"],"SharedSize":-1,"Size":1990000,"VirtualSize":1990000},
                {"Id":"sha256:dd","Labels":null,"RepoTags":null,"Size":1}]
                """), gives: "sha256:c309 paddock/busybox:1 b 1990000;sha256:dd ? ? 1"
        ) { client in
            let list = try await client.listImages(filters: ["reference": ["paddock/*"]])
            return list.map { "\($0.id) \($0.repoTags?.first ?? "?") \($0.labels?["A"] ?? "?") \($0.size)" }
                .joined(separator: ";")
        },
        Endpoint(
            name: "pullImage", method: "POST", path: "/images/create",
            query: ["fromImage": "127.0.0.1:5000/a/b", "tag": "sha256:cc"], answer: .chunked(pullProgress),
            gives: "Pulling from a/b/b Downloading/layer1/10/100 Status: done/?"
        ) { show(try await drain(try await $0.pullImage("127.0.0.1:5000/a/b", tag: "sha256:cc"))) },
        Endpoint(
            name: "pullImage with credentials", method: "POST", path: "/images/create",
            query: ["fromImage": "r.io/a", "tag": "1"],
            // base64url of {"password":"p?>~","serveraddress":"r.io","username":"ü"}
            headers: [
                "x-registry-auth":
                    "eyJwYXNzd29yZCI6InA_Pn4iLCJzZXJ2ZXJhZGRyZXNzIjoici5pbyIsInVzZXJuYW1lIjoiw7wifQ=="
            ], answer: .chunked(pullProgress), gives: "3"
        ) { client in
            let credentials = RegistryCredentials(username: "ü", password: "p?>~", serverAddress: "r.io")
            return "\(try await drain(try await client.pullImage("r.io/a", tag: "1", credentials: credentials)).count)"
        },
        Endpoint(
            name: "tagImage", method: "POST", path: "/images/sha256%3Ac309/tag",
            query: ["repo": "127.0.0.1:5000/x", "tag": "v1"], answer: .whole(201)
        ) {
            try await $0.tagImage("sha256:c309", repository: "127.0.0.1:5000/x", tag: "v1")
            return ""
        },
        Endpoint(
            name: "removeImage", method: "DELETE", path: "/images/x%3A1",
            answer: .json(#"[{"Untagged":"x:1"},{"Deleted":"sha256:c309"}]"#)
        ) {
            try await $0.removeImage("x:1")
            return ""
        },
        Endpoint(
            name: "removeImage by force", method: "DELETE", path: "/images/x%3A1", query: ["force": "true"],
            answer: .json("[]")
        ) {
            try await $0.removeImage("x:1", force: true)
            return ""
        },
    ]

    static let system: [Endpoint] = [
        Endpoint(
            name: "engineVersion", method: "GET", path: "/version",
            answer: .json(
                """
                {"Platform":{"Name":""},"Components":[{"Name":"Engine","Version":"20.10.24+dfsg1",
                "Details":{"ApiVersion":"1.41","MinAPIVersion":"1.12"}},{"Name":"runc","Version":"1.1.5"}],
                "Version":"20.10.24+dfsg1","ApiVersion":"1.41","MinAPIVersion":"1.12","GitCommit":"5d6db84",
                "Os":"linux","Arch":"amd64","KernelVersion":"6.18.0"}
                """), gives: "20.10.24+dfsg1 1.41 1.12 6.18.0 Engine=20.10.24+dfsg1 runc=1.1.5"
        ) { client in
            let it = try await client.engineVersion()
            let parts = it.components?.map { "\($0.name)=\($0.version)" }.joined(separator: " ")
            return "\(it.version) \(it.apiVersion) \(it.minAPIVersion) \(it.kernelVersion ?? "?") \(parts ?? "?")"
        },
        Endpoint(
            name: "info", method: "GET", path: "/info",
            answer: .json(
                """
                {"ID":"ABCD:EFGH","Containers":3,"Driver":"overlay2","CgroupDriver":"cgroupfs","CgroupVersion":"1",
                "NCPU":2,"MemTotal":8350000000,"Runtimes":{"runc":{"path":"runc"},"Crun":{"path":"/usr/bin/crun"}},
                "DefaultRuntime":"runc","LiveRestoreEnabled":true,"SecurityOptions":["name=seccomp,profile=default"],
                "ServerVersion":"20.10.24+dfsg1","KernelMemory":true}
                """),
            gives: "20.10.24+dfsg1 overlay2 1 cgroupfs /usr/bin/crun runc name=seccomp,profile=default true 2 "
                + "8350000000"
        ) { client in
            let it = try await client.info()
            return "\(it.serverVersion ?? "?") \(it.driver ?? "?") \(it.cgroupVersion ?? "?") "
                + "\(it.cgroupDriver ?? "?") \(it.runtimes?["Crun"]?.path ?? "?") \(it.defaultRuntime ?? "?") "
                + "\(it.securityOptions?.first ?? "?") \(it.liveRestoreEnabled ?? false) \(it.nCPU ?? 0) "
                + "\(it.memTotal ?? 0)"
        },
        Endpoint(
            name: "events", method: "GET", path: "/events",
            query: ["since": "1763719200.25", "filters": #"{"event":["start","die"],"label":["a=b"]}"#],
            answer: .chunked([
                """
                {"status":"die","id":"9d1f","from":"x:1","Type":"container","Action":"die","Actor":{"ID":"9d1f",
                "Attributes":{"exitCode":"0","io.paddock.Owner":"1"}},"scope":"local","time":1763719200,
                "timeNano":1763719200250000000}
                """.replacing("\n", with: "").bytes + "\n".bytes
            ]), gives: "container die 9d1f 0 1 1763719200250000000"
        ) { client in
            let events = try await client.events(
                since: "1763719200.25", filters: ["label": ["a=b"], "event": ["start", "die"]])
            return try await drain(events).map {
                "\($0.type) \($0.action) \($0.actor.id) \($0.actor.attributes?["exitCode"] ?? "?") "
                    + "\($0.actor.attributes?["io.paddock.Owner"] ?? "?") \($0.timeNano ?? 0)"
            }.joined()
        },
        Endpoint(name: "events from now on", method: "GET", path: "/events", answer: .chunked([]), gives: "0") {
            "\(try await drain(try await $0.events()).count)"
        },
        Endpoint(
            name: "listVolumes", method: "GET", path: "/volumes", query: ["filters": #"{"label":["a"]}"#],
            answer: .json(
                """
                {"Volumes":[{"Name":"v","Driver":"local","Labels":{"A":"b"}},{"Name":"w","Labels":null}],
                "Warnings":null}
                """
            ), gives: "v b w ?"
        ) { client in
            try await client.listVolumes(filters: ["label": ["a"]])
                .map { "\($0.name) \($0.labels?["A"] ?? "?")" }.joined(separator: " ")
        },
        Endpoint(
            name: "listVolumes when there are none", method: "GET", path: "/volumes",
            answer: .json(#"{"Volumes":null,"Warnings":null}"#), gives: "0"
        ) { "\(try await $0.listVolumes().count)" },
        Endpoint(name: "removeVolume", method: "DELETE", path: "/volumes/v%201") {
            try await $0.removeVolume("v 1")
            return ""
        },
        Endpoint(
            name: "listNetworks", method: "GET", path: "/networks", query: ["filters": #"{"name":["n"]}"#],
            answer: .json(#"[{"Name":"bridge","Id":"7f","Scope":"local","Driver":"bridge","Labels":{"A":"b"}}]"#),
            gives: "7f bridge b"
        ) { client in
            try await client.listNetworks(filters: ["name": ["n"]])
                .map { "\($0.id) \($0.name) \($0.labels?["A"] ?? "?")" }.joined()
        },
        Endpoint(name: "removeNetwork", method: "DELETE", path: "/networks/7f") {
            try await $0.removeNetwork("7f")
            return ""
        },
    ]

    private static let pullProgress = [
        #"{"status":"Pulling from a/b","id":"b"}"#,
        #"{"status":"Downloading","progressDetail":{"current":10,"total":100},"progress":"[=> ]","id":"layer1"}"#,
        #"{"status":"Status: done"}"#,
    ].map { ($0 + "\r\n").bytes }

    private static func show(_ messages: [ProgressMessage]) -> String {
        messages.map { message in
            let bytes = message.progressDetail.map { "/\($0.current ?? 0)/\($0.total ?? 0)" } ?? ""
            return "\(message.status ?? "?")/\(message.id ?? "?")\(bytes)"
        }.joined(separator: " ")
    }
}
