import Entitlements
import Foundation
import Runner
import Testing

/// Receipts as a user has them: of a real run, checked with the key alone.
@Suite("Receipts, end to end")
struct ReceiptTests {
    private func paddock(
        _ arguments: String..., input: String? = nil, environment: [String: String] = [:]
    ) async throws -> (code: Int32, out: String, err: String) {
        let program = try Program.paddock(arguments, input: input.map { Data($0.utf8) }, environment: environment)
        let code = try await program.exitCode()
        return (code, program.stdout, program.stderr)
    }

    private func sha256(_ text: String) -> String { ContentDigest(of: Array(text.utf8)).sha256 }

    @Test("the receipt of a run says what ran, and holds with the public key alone")
    func run() async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                let (receipt, key) = (folder.path() + "/r.json", folder.path() + "/key.pem")
                let script = #"cat > /dev/null; echo out; echo err >&2; echo '{ "n": 1.0, "a": "ü" }' > $OUTPUT"#
                let run = try await paddock(
                    "run", "-q", "--json", "--memory", "128", "--input", #"{ "b": 2, "a": [1] }"#, "--receipt", receipt,
                    Fixture.busybox, "--", "sh", "-c", script, environment: state)
                #expect(run.code == 0, "\(run.err)")
                let document = try Fixture.document(run.out)

                let checked = try await paddock("receipt", "verify", "--format", "json", receipt, environment: state)
                #expect(checked.code == 0, "\(checked.out)\(checked.err)")
                let outcome = try Fixture.document(checked.out)
                #expect(outcome["valid"] as? Bool == true)
                let signed = try #require(outcome["receipt"] as? [String: Any])
                for field in ["id", "image", "status", "reason", "createdAt", "startedAt", "finishedAt", "runtime"] {
                    #expect(signed[field] as? String == document[field] as? String, "\(field)")
                }
                for field in ["limits", "usage", "network"] {
                    #expect(signed[field] as? NSDictionary == document[field] as? NSDictionary, "\(field)")
                }
                func digest(_ value: Any?) -> String? { (value as? [String: Any])?["sha256"] as? String }
                #expect(digest(signed["input"]) == sha256(#"{"a":[1],"b":2}"#))
                #expect(digest(signed["output"]) == sha256(#"{"a":"ü","n":1}"#))
                let log = signed["log"] as? [String: Any]
                #expect(digest(log?["stdout"]) == sha256("out\n"))
                #expect(digest(log?["stderr"]) == sha256("err\n"))
                let policy = signed["policy"] as? [String: [String: String]]
                #expect(policy?["held"]?["CapEff"] == "0000000000000000")
                #expect(policy?["held"]?["mount /"] == "ro")
                #expect(policy?["asked"]?["seccomp profile"]?.hasPrefix("sha256:") == true)

                // Elsewhere: another state folder, which has no key.
                try Data(try await paddock("receipt", "key", environment: state).out.utf8)
                    .write(to: URL(filePath: key))
                let elsewhere = ["PADDOCK_STATE_DIR": folder.path() + "/nowhere"]
                let other = try await paddock("receipt", "verify", receipt, "--key", key, environment: elsewhere)
                #expect(other.code == 0 && other.out.hasPrefix("valid: exe_"), "\(other.out)\(other.err)")
                #expect(other.out.split(separator: "\n").count == 1)
                let without = try await paddock("receipt", "verify", receipt, environment: elsewhere)
                #expect(without.code == 125 && without.err.contains("--key FILE"), "\(without.err)")
                #expect(!FileManager.default.fileExists(atPath: folder.path() + "/nowhere"))

                // From stdin, and in another form.
                let text = try String(contentsOfFile: receipt, encoding: .utf8)
                let piped = try await paddock(
                    "receipt", "verify", "-", input: text.replacing("\n", with: ""), environment: state)
                #expect(piped.code == 0)
                try await refuses(text.replacing("\"exitCode\" : 0", with: "\"exitCode\" : 1"), "was changed", state)
                try await refuses(text.replacing("memoryMiB", with: "memoryMib"), "was changed", state)
                try await refuses(String(text.dropLast(20)), "not a receipt", state)
                try await refuses("\u{1B}[2J", "not a receipt", state)
            }
        }
    }

    private func refuses(_ text: String, _ why: String, _ state: [String: String]) async throws {
        let checked = try await paddock("receipt", "verify", "-", input: text, environment: state)
        #expect(checked.code == 1)
        #expect(checked.out.hasPrefix("invalid: ") && checked.out.contains(why), "\(checked.out)")
        #expect(checked.out.split(separator: "\n").count == 1 && !checked.out.contains("\u{1B}"))
    }

    @Test("OpenSSL takes the signature, over bytes that Python puts in canonical form")
    func openssl() async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                let path = folder.path()
                let run = try await paddock(
                    "run", "-q", "--receipt", path + "/r.json", Fixture.busybox, "--", "true", environment: state)
                #expect(run.code == 0, "\(run.err)")
                try Data(try await paddock("receipt", "key", environment: state).out.utf8)
                    .write(to: URL(filePath: path + "/key.pem"))
                let script = """
                    import base64, hashlib, json, subprocess, sys
                    document = json.load(open("r.json"))
                    text = json.dumps(document["receipt"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
                    # Python writes 10.0 where ECMAScript writes 10.
                    open("canonical", "w").write(text.replace(".0,", ",").replace(".0}", "}"))
                    open("signature", "wb").write(base64.b64decode(document["signature"]))
                    der = subprocess.run(["openssl", "pkey", "-pubin", "-in", "key.pem", "-outform", "DER"],
                                         check=True, capture_output=True).stdout
                    assert hashlib.sha256(der).hexdigest() == document["keyId"]
                    subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin",
                                    "-in", "canonical", "-sigfile", "signature"], check=True)
                    """
                let python = try Program(
                    "/bin/sh", ["-c", "cd \"$0\" && python3 -c \"$1\"", path, script])
                #expect(try await python.exitCode() == 0, "\(python.stdout)\(python.stderr)")
            }
        }
    }

    @Test(
        "however a run ends, there is a receipt of it",
        arguments: [
            (["--timeout", "1", "--grace", "0"], "sleep 3600", 124, "timed_out", "wall_timeout"),
            ([], "exit 3", 3, "failed", "exit"),
            (["--memory", "64"], "exec tail /dev/zero", 137, "failed", "memory_limit"),
            ([], "echo '{' > $OUTPUT", 1, "failed", "output_invalid"),
        ])
    func endings(flags: [String], script: String, code: Int32, status: String, reason: String) async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                let file = folder.path() + "/r.json"
                let program = try Program.paddock(
                    ["run", "--receipt", file] + flags + [Fixture.busybox, "--", "sh", "-c", script],
                    environment: state)
                #expect(try await program.exitCode() == code, "\(program.stderr)")
                let checked = try await paddock("receipt", "verify", "--format", "json", file, environment: state)
                let receipt = try Fixture.document(checked.out)["receipt"] as? [String: Any]
                #expect(checked.code == 0 && receipt?["status"] as? String == status)
                #expect(receipt?["reason"] as? String == reason)
                #expect(receipt?["output"] is NSNull)
            }
        }
    }

    @Test("only what is kept of a log is in its hashes, and a receipt that was there is replaced whole")
    func logLimit() async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                let file = folder.path() + "/r.json"
                try Data(repeating: 0x20, count: 100_000).write(to: URL(filePath: file))
                let run = try await paddock(
                    "run", "--log-limit", "1", "--receipt", file, Fixture.busybox, "--", "sh", "-c",
                    "head -c 3145728 /dev/zero", environment: state)
                #expect(run.code == 0, "\(run.err)")
                let checked = try await paddock("receipt", "verify", "--format", "json", file, environment: state)
                let receipt = try Fixture.document(checked.out)["receipt"] as? [String: Any]
                let log = try #require(receipt?["log"] as? [String: Any])
                #expect(log["droppedBytes"] as? Int == 2 << 20)
                let stdout = log["stdout"] as? [String: Any]
                #expect(stdout?["bytes"] as? Int == 1 << 20)
                #expect(stdout?["sha256"] as? String == sha256(run.out))
                #expect(try Data(contentsOf: URL(filePath: file)).count < 50_000)
            }
        }
    }

    @Test("a file that cannot be written and a key that must not be used are said before anything runs")
    func refusedBefore() async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                let missing = try await paddock(
                    "run", "--receipt", folder.path() + "/no/r.json", Fixture.busybox, "--", "echo", "ran",
                    environment: state)
                #expect(missing.code == 125 && missing.out.isEmpty && missing.err.contains("--receipt: the file"))
                chmod((state["PADDOCK_STATE_DIR"] ?? "") + "/keys/signing.pem", 0o644)
                let file = folder.path() + "/r.json"
                let wide = try await paddock(
                    "run", "--receipt", file, Fixture.busybox, "--", "echo", "ran", environment: state)
                #expect(wide.code == 125 && wide.out.isEmpty && wide.err.contains("its mode is 0644"), "\(wide.err)")
                let rotated = try await paddock("receipt", "rotate", environment: state)
                #expect(rotated.code == 0 && rotated.out.contains("BEGIN PUBLIC KEY"))
                let dockerfile = "FROM \(Fixture.busybox)\nRUN false\n"
                try Data(dockerfile.utf8).write(to: folder.appending(path: "Dockerfile"))
                let noImage = try await paddock("run", "-q", "--receipt", file, folder.path(), environment: state)
                #expect(noImage.code == 125)
                #expect(!FileManager.default.fileExists(atPath: file))
            }
        }
    }

    @Test("processes that need the key at once make one")
    func race() async throws {
        try await Fixture.withState { state in
            let programs = try (0..<8).map { _ in
                try Program.paddock(["receipt", "key", "--format", "json"], environment: state)
            }
            var outputs: Set<String> = []
            for program in programs {
                #expect(try await program.exitCode() == 0, "\(program.stderr)")
                outputs.insert(program.stdout)
            }
            #expect(outputs.count == 1)
            let keys = try Fixture.document(outputs.first ?? "")["keys"] as? [[String: Any]]
            #expect(keys?.count == 1)
        }
    }

    @Test("after a rotation old receipts hold, and a key that is not listed is told as such")
    func rotation() async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                let file = folder.path() + "/r.json"
                let run = try await paddock(
                    "run", "-q", "--receipt", file, Fixture.busybox, "--", "true", environment: state)
                #expect(run.code == 0, "\(run.err)")
                let rotated = try await paddock("receipt", "rotate", environment: state)
                #expect(rotated.code == 0 && rotated.err.contains("retired: "))
                #expect(try await paddock("receipt", "verify", file, environment: state).code == 0)
                let listed = try Fixture.document(
                    try await paddock("receipt", "key", "--format", "json", environment: state).out)["keys"]
                #expect((listed as? [[String: Any]])?.map { $0["retiredAt"] is NSNull } == [true, false])

                // The new key alone.
                let key = folder.path() + "/new.pem"
                try Data(rotated.out.utf8).write(to: URL(filePath: key))
                let unknown = try await paddock("receipt", "verify", file, "--key", key)
                #expect(unknown.code == 1 && unknown.out.hasPrefix("invalid: signed with the key "), "\(unknown.out)")
                let notAKey = try await paddock("receipt", "verify", file, "--key", file)
                #expect(notAKey.code == 125 && notAKey.err.contains("BEGIN PUBLIC KEY"), "\(notAKey.err)")
            }
        }
    }
}
