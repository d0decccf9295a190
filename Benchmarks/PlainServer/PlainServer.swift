import Foundation
import Hummingbird
import NIOCore

/// Hummingbird with one plain route, which Benchmarks/run compares requests to the server with. Prints its port.
@main
struct PlainServer {
    static func main() async throws {
        let router = Router()
        router.get("/") { _, _ in "ok" }
        let application = Application(
            router: router, configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { channel in
                FileHandle.standardOutput.write(Data("\(channel.localAddress?.port ?? 0)\n".utf8))
            })
        try await application.runService()
    }
}
