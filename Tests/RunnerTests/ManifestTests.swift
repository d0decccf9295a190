import Entitlements
import Testing

@testable import Runner

@Suite("agent.yaml and images")
struct ManifestTests {
    @Test("a whole manifest is read")
    func whole() throws {
        let manifest = try Manifest(
            yaml: """
                name: sum
                version: "1.0"
                command: [python3, /sum.py]
                inputSchema: {type: object, properties: {a: {type: integer}}, required: [a]}
                limits: {memoryMiB: 64, cpus: 0.25}
                network: {mode: none}
                examples:
                  - name: one
                    input: {a: 1, text: "1", list: [1, 2.5, true, null]}
                    expect: {status: succeeded, reason: exit, exitCode: 0, notes: [child_oom]}
                """)
        #expect(manifest.name == "sum")
        #expect(manifest.version == "1.0")
        #expect(manifest.command == ["python3", "/sum.py"])
        #expect(manifest.limits?.memoryMiB == 64)
        let example = try #require(manifest.examples?.first)
        #expect(
            example.input
                == .object([
                    "a": .integer(1), "text": .string("1"),
                    "list": .array([.integer(1), .number(2.5), .bool(true), .null]),
                ]))
        #expect(example.expect.status == .succeeded)
        #expect(example.expect.notes == [.childOOM])
    }

    @Test(
        "a mistake is named with its place",
        arguments: [
            ("description: x", "name"),
            ("name: Sum It", "name"),
            ("name: a\nmemory: 5", "memory: unknown key"),
            ("name: a\nlimits: {memory: 5}", "limits.memory"),
            ("name: a\nlimits: {memoryMiB: lots}", "limits.memoryMiB"),
            ("name: a\nlimits: {memoryMiB: 1}", "memoryMiB"),
            ("name: a\ninputSchema: {type: 5}", "inputSchema"),
            ("name: a\nlimits: {memoryMiB: lots}", "limits.memoryMiB: must be a whole number"),
            ("name: 5", "name: must be a string"), ("name: null", "name: must be a string; it is null"),
            ("name: a\nlimits: 5", "limits: must be an object, such as { memoryMiB: 256 }"),
            ("name: a\ncommand: ls", "command: must be a list, such as [python3, /agent.py]"),
            ("name: a\nnetwork: none", "network: must be an object, such as { mode: none }"),
            (
                "name: a\nnetwork: {mode: allowlist, allow: a}",
                "network.allow: must be a list, such as [api.example.com]"
            ),
            ("name: a\nnetwork: {mode: [none]}", "network.mode: must be a string"),
            ("name: a\nnetwork: {mode: allowlist, allow: [5]}", "network.allow[0]: must be a string"),
            ("name: a\nnetwork: {mode: host}", "network.mode"),
            ("name: a\nexamples: [{name: x, input: 1, expect: {state: ok}}]", "examples[0].expect.state"),
            ("name: [", "YAML"),
            ("- a", "mapping"),
        ])
    func mistakes(yaml: String, named: String) {
        let error = #expect(throws: Manifest.Invalid.self) { try Manifest(yaml: yaml) }
        #expect(error?.description.contains(named) == true, "\(error?.description ?? "")")
    }

    @Test(
        "image names are taken apart as Docker does",
        arguments: [
            ("busybox", "busybox", "latest"), ("a/b:1", "a/b", "1"), ("h:5000/a", "h:5000/a", "latest"),
            ("h:5000/a:2", "h:5000/a", "2"), ("a@sha256:12", "a", "sha256:12"), ("a:1@sha256:12", "a", "sha256:12"),
        ])
    func references(text: String, name: String, tag: String) throws {
        let reference = try ImageReference(text)
        #expect(reference.name == name)
        #expect(reference.tag == tag)
    }

    @Test("what is no image name is refused", arguments: ["", "a b", ":x", "a:", "a@b@c", "sha256:12"])
    func badReferences(text: String) {
        #expect(throws: ImageError.self) { try ImageReference(text) }
    }

    @Test(
        "a value that stands for gigabytes is refused",
        arguments: [
            "name: a\ndescription: &x text\nversion: *x\n", "name: a\nexamples: [&a 1, *a]\n",
            "name: &-x a\nversion: *-x\n", "name: !!str &x a\nversion: *x\n",
        ])
    func anchors(yaml: String) {
        let error = #expect(throws: Manifest.Invalid.self) { try Manifest(yaml: yaml) }
        #expect(error?.description.contains("anchors") == true)
    }
}
