import Testing

@testable import Runner

@Suite("JSON and its schemas")
struct JSONTests {
    private func schema(_ text: String) throws -> JSONSchema { try JSONSchema(JSONValue(parsing: Array(text.utf8))) }

    @Test("what is JSON is read, to the letter")
    func valid() throws {
        let text = #"{"a":[1,-2,2.5,true,false,null,"\u00fc\n"],"b":{},"c":9007199254740993}"#
        let value = try JSONValue(parsing: Array(text.utf8))
        #expect(value["c"] == .integer(9_007_199_254_740_993))
        #expect(
            value["a"]
                == .array([.integer(1), .integer(-2), .number(2.5), .bool(true), .bool(false), .null, .string("ü\n")]))
        #expect(String(decoding: try value.serialized(), as: UTF8.self).contains("9007199254740993"))
    }

    @Test(
        "what is not JSON is refused",
        arguments: [
            "", " ", "[1,]", "{\"a\":1,}", "{a:1}", "NaN", "'a'", "1 2", "[1", "\u{FEFF}1", "// x\n1", "01", "1e999",
            "{\"a\":1,\"a\":2}", String(repeating: "[", count: 257) + String(repeating: "]", count: 257),
        ])
    func invalid(text: String) {
        #expect(throws: JSONReader.Invalid.self) { try JSONValue(parsing: Array(text.utf8)) }
    }

    @Test("bytes that are not UTF-8 are refused")
    func encoding() {
        #expect(throws: JSONReader.Invalid.self) { try JSONValue(parsing: [0x22, 0xFF, 0x22]) }
        #expect(throws: JSONReader.Invalid.self) { try JSONValue(parsing: [0x31, 0x00]) }
    }

    @Test("a million values and 256 levels are read in one pass")
    func large() throws {
        let wide = Array(("[" + String(repeating: "1,", count: 999_999) + "1]").utf8)
        guard case .array(let items) = try JSONValue(parsing: wide) else {
            Issue.record("no array")
            return
        }
        #expect(items.count == 1_000_000)
        let deep = String(repeating: "[", count: 256) + String(repeating: "]", count: 256)
        _ = try JSONValue(parsing: Array(("[" + Array(repeating: "[]", count: 9).joined(separator: ",") + "]").utf8))
        _ = try JSONValue(parsing: Array(deep.utf8))
    }

    @Test("a schema's violations name the place")
    func violations() async throws {
        let schema = try schema(
            #"{"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}"#)
        #expect(await schema.violations(in: Array(#"{"n": 2}"#.utf8)).isEmpty)
        #expect(await schema.violations(in: Array(#"{"n": 0}"#.utf8)).contains { $0.path == "/n" })
        #expect(await !schema.violations(in: Array("{}".utf8)).isEmpty)
        #expect(await !schema.violations(in: Array("nonsense".utf8)).isEmpty)
        #expect(await !schema.violations(in: []).isEmpty)
    }

    @Test(
        "a schema that is none, or that refers to itself for ever, is refused",
        arguments: [
            #"{"type": 5}"#, ##"{"$ref": "#"}"##,
            ##"{"definitions":{"a":{"$ref":"#/definitions/b"},"b":{"$ref":"#/definitions/a"}},"$ref":"#/definitions/a"}"##,
            #"{"$ref": "http://127.0.0.1:1/schema"}"#,
        ])
    func hostileSchema(text: String) throws {
        #expect(throws: JSONSchema.Invalid.self) { try schema(text) }
    }

    @Test("a check that would take for ever, or the whole stack, is a violation and not the end of us")
    func hostileCheck() async throws {
        let endless = try schema(#"{"pattern": "^(a+)+$"}"#)
        let word = "\"" + String(repeating: "a", count: 60) + "b\""
        #expect(await endless.violations(in: Array(word.utf8)).first?.message.contains("cannot be checked") == true)
        let deep = try schema(#"{"pattern": "^(a|b)*$"}"#)
        let long = "\"" + String(repeating: "a", count: 8 << 20) + "\""
        #expect(await !deep.violations(in: Array(long.utf8)).isEmpty)
        let circular = try schema(##"{"allOf": [{"$ref": "#"}]}"##)
        #expect(await !circular.violations(in: [UInt8(ascii: "1")]).isEmpty)
        let broken = try schema(#"{"pattern": "("}"#)
        #expect(await !broken.violations(in: Array("\"a\"".utf8)).isEmpty)
    }
}
