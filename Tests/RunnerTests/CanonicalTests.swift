import Testing

@testable import Runner

@Suite("The canonical form of JSON, RFC 8785")
struct CanonicalTests {
    private func canonical(_ text: String) throws -> String {
        String(decoding: try JSONValue(parsing: Array(text.utf8)).canonical(), as: UTF8.self)
    }

    @Test("space, order and escapes do not count")
    func form() throws {
        let text = #" { "b" : [ 1 , null,true, "\u00fc\/\u000a\u0001\u001F\"\\" ] , "a":{ } } "#
        #expect(try canonical(text) == #"{"a":{},"b":[1,null,true,"ü/\n\u0001\u001f\"\\"]}"#)
        #expect(try canonical("[]") == "[]")
        #expect(try canonical(#""\b\t\n\f\r""#) == #""\b\t\n\f\r""#)
    }

    @Test("keys are in the order of their UTF-16 units")
    func order() throws {
        let text = #"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7,"a":8,"B":9,"aa":10}"#
        #expect(
            try canonical(text)
                == "{\"\\r\":2,\"1\":4,\"B\":9,\"a\":8,\"aa\":10,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}")
    }

    @Test("text is kept to the byte: é in one scalar is not é in two")
    func normalization() throws {
        let one = try JSONValue(parsing: Array(#""\u00e9""#.utf8)).canonical()
        let two = try JSONValue(parsing: Array(#""e\u0301""#.utf8)).canonical()
        #expect(one == Array("\"\u{e9}\"".utf8))
        #expect(two == Array("\"e\u{301}\"".utf8))
    }

    @Test(
        "numbers are as the RFC's table has them",
        arguments: [
            (0x0000_0000_0000_0000, "0"), (0x8000_0000_0000_0000, "0"), (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"), (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"), (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"), (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"), (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"), (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"), (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"), (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"), (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] as [(UInt64, String)])
    func numbers(bits: UInt64, text: String) throws {
        #expect(String(decoding: try JSONValue.number(Double(bitPattern: bits)).canonical(), as: UTF8.self) == text)
    }

    @Test(
        "one number has one text",
        arguments: [("1.0", "1"), ("1e2", "100"), ("-0", "0"), ("-0.0", "0"), ("0.50", "0.5"), ("1E-7", "1e-7")])
    func equalNumbers(text: String, expected: String) throws {
        #expect(try canonical(text) == expected)
    }

    @Test("whole numbers of 64 bits are exact")
    func integers() throws {
        #expect(try canonical("[9007199254740993,-9223372036854775808]") == "[9007199254740993,-9223372036854775808]")
    }

    @Test("every double's text is read as that double again")
    func roundTrip() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let number = Double(bitPattern: generator.next())
            guard number.isFinite else { continue }
            let text = String(decoding: try JSONValue.number(number).canonical(), as: UTF8.self)
            #expect(Double(text) == number, "\(number) became \(text)")
        }
    }

    @Test("what is no number has no form")
    func notANumber() {
        for number in [Double.infinity, -.infinity, .nan] {
            #expect(throws: JSONValue.NotANumber.self) { try JSONValue.number(number).canonical() }
        }
    }
}
