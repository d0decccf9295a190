import DatabaseFixtures
import Foundation
import Testing

@testable import API

@Suite("The OpenAPI document")
struct DocumentTests {
    /// `METHOD PATH` of every operation, as the document's lines have them.
    private func documented() throws -> Set<String> {
        let text = String(decoding: try #require(WebFile.all["/openapi.yaml"]).bytes, as: UTF8.self)
        var operations: Set<String> = []
        var path: String?
        for line in text.split(separator: "\n") {
            if !line.hasPrefix(" ") {
                path = nil
            } else if let match = line.wholeMatch(of: #/  (/\S*):/#) {
                path = String(match.1)
            } else if let path, let match = line.wholeMatch(of: #/    (get|post|put|delete):/#) {
                operations.insert("\(match.1.uppercased()) \(path)")
            }
        }
        return operations
    }

    @Test("has the server's routes, and no others", .timeLimit(.minutes(5)))
    func routes() async throws {
        try await ServerFixture.with { server in
            let served = RouteTable(services: server.services).routes.filter { !$0.template.hasPrefix("/web/") }
                .map { "\($0.method) \($0.paths[0])" }
            let documented = try documented()
            #expect(Set(served).symmetricDifference(documented) == [])
        }
    }
}
