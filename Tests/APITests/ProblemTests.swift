import Testing

@testable import API

@Suite("Problems")
struct ProblemTests {
    @Test("a problem keeps what it is given")
    func keeps() {
        #expect(Problem(status: 404, code: "not_found", title: "Not found", detail: "no such execution").status == 404)
    }
}
