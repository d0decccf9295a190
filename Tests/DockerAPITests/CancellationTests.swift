import Foundation
import Testing

@testable import DockerAPI

@Suite("Cancellation", .timeLimit(.minutes(5)))
struct CancellationTests {
    @Test("A cancelled call throws CancellationError and lets go of its connection", arguments: ["call", "attach"])
    func call(kind: String) async throws {
        try await StubEngine.withClient(answering: { _ in .silence }) { client, stub in
            let task = Task {
                if kind == "call" { _ = try await client.info() } else { _ = try await client.attach("x") }
            }
            try await eventually("the request arrives") { stub.requests.count == 1 }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            try await eventually("the Engine sees it") { stub.connectionCount <= 1 }
        }
    }

    @Test("A call in a task that was cancelled before throws at once", arguments: ["call", "attach"])
    func cancelledBefore(kind: String) async throws {
        try await StubEngine.withClient(answering: { _ in .silence }) { client, _ in
            let task = Task {
                while !Task.isCancelled { await Task.yield() }
                if kind == "call" { _ = try await client.info() } else { _ = try await client.attach("x") }
            }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }

    @Test("A cancelled stream that is silent throws CancellationError", arguments: ["events", "attach", "wait"])
    func silentStream(kind: String) async throws {
        let hijack = StubHijack()
        let answer: StubEngine.Handler = {
            $0.path.hasSuffix("/attach") ? hijack.response : .chunked([" \n".bytes], then: [.hang])
        }
        try await StubEngine.withClient(answering: answer) { client, stub in
            let begun = Gate()
            let task = Task {
                switch kind {
                case "events":
                    let events = try await client.events()
                    begun.open()
                    return try await drain(events).count
                case "attach":
                    let attached = try await client.attach("x")
                    begun.open()
                    return try await drain(attached.output).count
                default:
                    let exit = try await client.waitContainer("x", until: .nextExit)
                    begun.open()
                    return try await exit.value().statusCode
                }
            }
            try await eventually("the stream begins") { begun.isOpen }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            try await eventually("the Engine sees it") { stub.connectionCount <= 1 }
        }
    }

    @Test("A cancelled stream never looks like its end, whenever it is cancelled", arguments: 0..<30)
    func runningStream(length: Int) async throws {
        try await StubEngine.withClient(answering: { _ in
            .endless { "{\"Type\":\"container\",\"Action\":\"\($0)\",\"Actor\":{\"ID\":\"1\"}}\n".bytes }
        }) { client, _ in
            let seen = Gate()
            let task = Task {
                var next = 0
                for try await event in try await client.events() {
                    #expect(event.action == String(next))
                    next += 1
                    if next > length * 7 { seen.open() }
                }
            }
            try await eventually("some events arrive") { seen.isOpen }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }

    @Test("A stream that its reader leaves early ends the exchange")
    func leftEarly() async throws {
        try await StubEngine.withClient(answering: { _ in .endless { _ in frame(.stdout, "x\n".bytes) } }) {
            client, stub in
            for try await _ in try await client.containerLogs("x", follow: true) { break }
            try await eventually("the Engine sees it") { stub.connectionCount <= 1 }
            stub.answer { _ in .json("[]") }
            #expect(try await client.listContainers().isEmpty)
        }
    }

    @Test("A cancelled send throws CancellationError")
    func send() async throws {
        let hijack = StubHijack()
        hijack.reading.close()
        try await StubEngine.withClient(answering: { _ in hijack.response }) { client, stub in
            let attached = try await client.attach("x")
            let bytes = [UInt8](repeating: 1, count: 4 << 20)
            let sending = Gate()
            let task = Task {
                sending.open()
                try await attached.send(bytes)
            }
            try await eventually("the send begins") { sending.isOpen }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            hijack.reading.open()
            try await eventually("the Engine sees it") { stub.connectionCount <= 1 }
        }
    }

    @Test("Cancelling one call leaves the others alone")
    func others() async throws {
        let gate = Gate()
        try await StubEngine.withClient { client, stub in
            stub.answer { request in
                guard request.path.hasSuffix("/json") else { return .silence }
                return .init(steps: [.wait(gate)] + StubEngine.Response.json("[]").steps)
            }
            let list = Task { try await client.listContainers().count }
            let info = Task { _ = try await client.info() }
            try await eventually("both arrive") { stub.requests.count == 2 }
            info.cancel()
            await #expect(throws: CancellationError.self) { try await info.value }
            gate.open()
            #expect(try await list.value == 0)
        }
    }
}
