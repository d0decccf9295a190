import Testing

@testable import DockerAPI

@Suite("Attach with stdin", .timeLimit(.minutes(5)))
struct AttachTests {
    /// Runs `body` with an attached container and the Engine's side of it.
    private func withAttached(
        _ body: (AttachedContainer, StubHijack, StubEngine) async throws -> Void
    ) async throws {
        let hijack = StubHijack()
        try await StubEngine.withClient(answering: { _ in hijack.response }) { client, stub in
            let attached = try await client.attach("x")
            try await eventually("the stream is open") { hijack.isOpen }
            try await body(attached, hijack, stub)
        }
    }

    @Test("Bytes go both ways")
    func bothWays() async throws {
        try await withAttached { attached, hijack, _ in
            var output = attached.output.makeAsyncIterator()
            for number in 0..<20 {
                let said = "line \(number)\n".bytes
                try await attached.send(said)
                try await eventually("it arrives") { hijack.received.suffix(said.count) == said[...] }
                hijack.write(frame(number % 2 == 0 ? .stdout : .stderr, said))
                let answer = try #require(try await output.next())
                #expect(Array(answer.bytes) == said)
                #expect(answer.stream == (number % 2 == 0 ? .stdout : .stderr))
            }
            hijack.close()
            #expect(try await output.next() == nil)
        }
    }

    @Test("Sends arrive in their order, also without waiting for each, and empty ones are none")
    func order() async throws {
        try await withAttached { attached, hijack, _ in
            var expected: [UInt8] = []
            for number in 0..<300 {
                let bytes = [UInt8](repeating: UInt8(number % 256), count: number)
                try await attached.send(bytes)
                expected += bytes
            }
            attached.closeInput()
            try await eventually("all arrives") { hijack.inputIsClosed }
            #expect(hijack.received.isSame(as: expected))
        }
    }

    @Test("After the input's end the output goes on, and nothing more can be sent")
    func halfClose() async throws {
        try await withAttached { attached, hijack, _ in
            try await attached.send("all".bytes)
            attached.closeInput()
            try await eventually("the Engine sees the end") { hijack.inputIsClosed }
            #expect(hijack.received == "all".bytes)
            let error = try await #require(throws: DockerError.self) { try await attached.send("more".bytes) }
            #expect(error.code == .connectionLost)
            hijack.write(frame(.stdout, "after".bytes))
            var output = attached.output.makeAsyncIterator()
            #expect(try await output.next() == LogFrame(stream: .stdout, bytes: Array("after".utf8)[...]))
            hijack.write(frame(.stderr, "still".bytes))
            #expect(try await output.next()?.stream == .stderr)
            hijack.close()
            #expect(try await output.next() == nil)
        }
    }

    @Test("Nothing is sent before the head of the answer")
    func nothingEarly() async throws {
        let hijack = StubHijack()
        hijack.head.close()
        try await StubEngine.withClient(answering: { _ in hijack.response }) { client, stub in
            let task = Task {
                let attached = try await client.attach("x")
                try await attached.send("input".bytes)
                attached.closeInput()
                return attached
            }
            try await eventually("the request arrives") { stub.requests.count == 1 }
            hijack.head.open()
            let attached = try await task.value
            try await eventually("the input arrives") { hijack.inputIsClosed }
            #expect(hijack.bytesBeforeHead == 0)
            #expect(hijack.received == "input".bytes)
            attached.detach()
            try await eventually("the Engine sees the client leave") { hijack.isOver }
        }
    }

    @Test(
        "A head may come in any pieces, with output right behind it",
        arguments: ["byte by byte", "in one with output"])
    func head(form: String) async throws {
        let all = StubEngine.Response.upgradeHead + frame(.stdout, "first".bytes)
        let pieces = form == "byte by byte" ? all.map { [$0] } : [all]
        try await StubEngine.withClient(answering: { _ in .raw(pieces) }) { client, _ in
            let frames = try await drain(try await client.attach("x").output)
            #expect(joined(frames) == [.stdout: "first".bytes])
        }
    }

    @Test("A head of a plain call may come in any pieces too")
    func plainHead() async throws {
        let all = StubEngine.Response.head(200, ["Content-Length: 2"]) + "[]".bytes
        try await StubEngine.withClient(answering: { _ in .raw(all.map { [$0] }) }) { client, _ in
            let list = try await client.listContainers()
            #expect(list.isEmpty)
        }
    }

    @Test("A refusal is thrown as the Engine words it, in one write or two", arguments: [0, 1, 20, 60])
    func refusal(cut: Int) async throws {
        let body = "{\"message\":\"No such container: x\"}\n".bytes
        let head = StubEngine.Response.head(404, ["Content-Type: application/json", "Content-Length: \(body.count)"])
        for place in [cut, head.count + min(cut, body.count)] {
            let all = head + body
            let pieces = [Array(all[..<place]), Array(all[place...])].filter { !$0.isEmpty }
            // The connection stays open, as the Engine leaves it.
            let answer = StubEngine.Response(steps: pieces.map { .write($0) } + [.hang])
            try await StubEngine.withClient(answering: { _ in answer }) { client, _ in
                let error = try await #require(throws: DockerError.self) { _ = try await client.attach("x") }
                #expect(error.code == .status)
                #expect(error.status == 404)
                #expect(error.message == "No such container: x")
                #expect(error.operation == "POST /containers/x/attach")
            }
        }
    }

    @Test("The Engine's going away ends the output, and a send fails")
    func engineLeaves() async throws {
        try await withAttached { attached, hijack, stub in
            hijack.write(frame(.stdout, "last".bytes))
            hijack.close()
            #expect(joined(try await drain(attached.output)) == [.stdout: "last".bytes])
            try await eventually("the connection is gone") { hijack.isOver }
            let error = try await #require(throws: DockerError.self) {
                // The first may still be taken by the kernel.
                for _ in 0..<1000 { try await attached.send("x".bytes) }
            }
            #expect(error.code == .connectionLost)
        }
    }

    @Test("Output that ends inside a frame is an error")
    func truncated() async throws {
        let bytes = StubEngine.Response.upgradeHead + frame(.stdout, "whole".bytes).dropLast()
        try await StubEngine.withClient(answering: { _ in .raw([bytes]) }) { client, _ in
            let attached = try await client.attach("x")
            let error = try await #require(throws: DockerError.self) { _ = try await drain(attached.output) }
            #expect(error.code == .connectionLost)
        }
    }
}
