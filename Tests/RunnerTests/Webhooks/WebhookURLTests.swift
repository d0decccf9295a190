import Testing

@testable import Runner

@Suite("A webhook's URL")
struct WebhookURLTests {
    @Test(
        "is read, and written in one way",
        arguments: [
            ("https://example.com", "https://example.com/"),
            ("HTTPS://Example.COM:443/a?b=c#d", "https://example.com/a?b=c"),
            ("https://example.com:8443/%2e%2e/x", "https://example.com:8443/%2e%2e/x"),
            ("https://example.com?x", "https://example.com/?x"),
            ("https://[2606:4700::1111]/x", "https://[2606:4700::1111]/x"),
        ])
    func read(_ text: String, _ written: String) throws {
        #expect(try WebhookURL(text).description == written)
    }

    @Test(
        "that could lead elsewhere is refused",
        arguments: [
            "", "example.com", "ftp://example.com/", "file:///etc/passwd", "https://", "https:///x",
            "https://a@example.com/",
            "https://example.com@10.0.0.1/", "https://0x7f.1/", "https://127.1/", "https://017700000001/",
            "https://example.com\\@10.0.0.1/", "https://example.com /", "https://exa\nmple.com/",
            "https://example.com:0/",
            "https://example.com:99999/", "https://é.example/", "https://[::1", "https://*.example.com/",
            "http://example.com/", "https://example.com/a\\b",
        ])
    func refused(_ text: String) {
        #expect(throws: WebhookURL.Invalid.self) { try WebhookURL(text) }
    }

    @Test("may be http where the operator allows it")
    func plain() throws {
        #expect(try WebhookURL("http://example.com:80/x", allowsHTTP: true).description == "http://example.com/x")
    }
}
