import Testing

@testable import Runner

@Suite("Egress: rules")
struct EgressRuleTests {
    @Test(
        "a rule is written in full",
        arguments: [
            ("api.example.com", "api.example.com:443"), ("API.Example.COM", "api.example.com:443"),
            ("api.example.com.", "api.example.com:443"), ("api.example.com:8443", "api.example.com:8443"),
            ("*.example.com", "*.example.com:443"), ("*.example.com:80", "*.example.com:80"),
            ("localhost:1", "localhost:1"), ("a_b.example:65535", "a_b.example:65535"),
            ("93.184.216.34", "93.184.216.34:443"), ("[2606:4700::1111]", "[2606:4700::1111]:443"),
            ("[2606:4700:0:0:0:0:0:1111]:80", "[2606:4700::1111]:80"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example:443"),
        ])
    func canonical(text: String, full: String) throws {
        #expect(try EgressRule(text).description == full)
        #expect(try EgressRule(EgressRule(text).description) == EgressRule(text))
    }

    @Test(
        "a wrong rule says what to write",
        arguments: [
            ("http://api.example.com", "write api.example.com:80"),
            ("http://api.example.com:8080/v1", "write api.example.com:8080"),
            ("https://api.example.com/v1?x", "write api.example.com:443"),
            ("ftp://", "write HOST"),
            ("api.example.com/v1", "write HOST"), ("user@api.example.com", "write HOST"),
            ("", "'' is empty; write HOST"), ("*", "write HOST"), ("*:443", "write HOST"),
            ("*.", "no name behind its '*.': write HOST"), ("*.:80", "no name behind its '*.'"),
            ("*example.com", "write HOST"), ("a.*.example.com", "write HOST"), ("*.*.example.com", "write HOST"),
            ("*.10.0.0.1", "no sub-domains"), ("*.[::1]", "no sub-domains"),
            ("a..b", "a dot with no name before it"), (".a", "begins with a dot: write *.a:443 for all names below a"),
            (".a.example:80", "write *.a.example:80"), (".", "begins with a dot: write HOST"),
            ("..a", "begins with a dot: write HOST"), ("*..a", "a dot with no name before it"), ("a b", "characters"),
            ("a\nb", "characters"),
            ("a%41", "characters"), ("example.com:", "port"), ("example.com:0", "port"), ("example.com:70000", "port"),
            ("example.com:+80", "port"), ("example.com:*", "*"), ("example.com:80:80", "characters"),
            ("bücher.example", "punycode"), ("２.example", "punycode"), ("2606:4700::1111", "brackets"),
            ("[::1", "brackets"),
            ("[10.0.0.1]", "brackets"), ("[fe80::1%eth0]", "brackets"),
            ("127.1", "odd way"), ("0x7f.1", "odd way"), ("017700000001", "odd way"), ("2130706433", "odd way"),
            ("0x7f000001", "odd way"), ("127.0.0.0x1", "odd way"), ("010.0.0.1", "odd way"), ("1.2.3.4.5", "odd way"),
            (String(repeating: "a", count: 64) + ".com", "63"), (String(repeating: "a.", count: 130), "253"),
        ])
    func wrong(text: String, says: String) {
        let error = #expect(throws: EgressRule.Invalid.self) { try EgressRule(text) }
        #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
        #expect(error?.description.contains("'\(text)'") == true)
    }

    @Test(
        "a rule allows its own host and port",
        arguments: [
            ("api.example.com", "api.example.com:443", true), ("api.example.com", "API.EXAMPLE.com.:443", true),
            ("api.example.com", "api.example.com:80", false), ("api.example.com", "example.com:443", false),
            ("api.example.com", "x.api.example.com:443", false), ("api.example.com", "api.example.com.evil:443", false),
            ("*.example.com", "a.example.com:443", true), ("*.example.com", "a.b.c.example.com:443", true),
            ("*.example.com", "example.com:443", false), ("*.example.com", "evilexample.com:443", false),
            ("*.example.com", "a.example.com:80", false), ("*.example.com", "a.example.com.evil:443", false),
            ("10.0.0.1:80", "10.0.0.1:80", true), ("10.0.0.1:80", "10.0.0.2:80", false),
            ("10.0.0.1:80", "[::ffff:10.0.0.1]:80", false), ("[::1]:80", "[0:0::1]:80", true),
            ("*.1.com", "10.0.0.1:443", false), ("localhost:80", "127.0.0.1:80", false),
        ])
    func matching(rule: String, target: String, isAllowed: Bool) throws {
        #expect(try EgressRule(rule).allows(EgressTarget(target, defaultPort: nil)) == isAllowed)
    }

    @Test("rules that say the same count once, and none at all is refused")
    func policy() throws {
        let rules = try ["a.example", "A.example:443", "b.example"].map { try EgressRule($0) }
        #expect(try EgressPolicy(rules: rules).rules.map(\.description) == ["a.example:443", "b.example:443"])
        #expect(throws: EgressPolicy.Invalid.self) { try EgressPolicy(rules: []) }
    }
}
