import Testing

@testable import Runner

/// Cases of W3C Trace Context, §3.2.
@Suite("A traceparent")
struct TraceContextTests {
    private static let trace = "0af7651916cd43dd8448eb211c80319c"
    private static let parent = "b7ad6b7169203331"

    @Test("is read and written")
    func read() throws {
        let text = "00-\(Self.trace)-\(Self.parent)-01"
        let context = try #require(TraceContext(text))
        #expect(context.traceID == Self.trace)
        #expect(context.parentID == Self.parent)
        #expect(context.isSampled)
        #expect(context.description == text)
        #expect(TraceContext("00-\(Self.trace)-\(Self.parent)-00")?.isSampled == false)
        // Flags that are not known are not sent on.
        #expect(TraceContext("00-\(Self.trace)-\(Self.parent)-ff")?.description == text)
    }

    @Test("of a later version is read as far as it is known")
    func later() {
        #expect(TraceContext("cc-\(Self.trace)-\(Self.parent)-01-what-comes")?.traceID == Self.trace)
        #expect(TraceContext("cc-\(Self.trace)-\(Self.parent)-01")?.traceID == Self.trace)
    }

    @Test(
        "that is not good is ignored",
        arguments: [
            "", "00", "00-\(trace)-\(parent)", "00-\(trace)-\(parent)-01-x", "ff-\(trace)-\(parent)-01",
            "00-00000000000000000000000000000000-\(parent)-01", "00-\(trace)-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-\(parent)-01", "00-\(trace)-\(parent)-1", "0-\(trace)-\(parent)-01",
            "00-\(trace)0-\(parent)-01", "00-\(trace)-\(parent)-0x", " 00-\(trace)-\(parent)-01",
            "00-\(trace)-\(parent)-é",
        ])
    func ignored(_ text: String) {
        #expect(TraceContext(text) == nil)
    }

    @Test("of our own is good, and its children are of the same trace")
    func made() throws {
        let context = TraceContext()
        #expect(TraceContext(context.description) == context)
        let child = context.child()
        #expect(child.traceID == context.traceID)
        #expect(child.parentID != context.parentID)
        #expect(TraceContext(child.description) == child)
    }
}
