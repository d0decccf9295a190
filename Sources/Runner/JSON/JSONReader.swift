import CJSONSchema

/// Builds a ``JSONValue`` from strict JSON, in one pass.
struct JSONReader {
    /// Why text is not taken.
    struct Invalid: Error, CustomStringConvertible {
        let description: String
    }

    /// Values that are deeper are refused: what walks them later does so by recursion.
    static let depthLimit = 256

    /// An array or object that is not closed yet. A class: its contents grow in place.
    private final class Container {
        let isObject: Bool
        var items: [JSONValue] = []
        var members: [String: JSONValue] = [:]
        var key = ""

        init(isObject: Bool) { self.isObject = isObject }

        var value: JSONValue { isObject ? .object(members) : .array(items) }
    }

    private final class Builder {
        private var open: [Container] = []
        var result: JSONValue?
        var complaint: String?

        func add(_ value: JSONValue) -> Bool {
            guard let container = open.last else {
                result = value
                return true
            }
            if !container.isObject {
                container.items.append(value)
            } else if container.members.updateValue(value, forKey: container.key) != nil {
                // Readers disagree on which of the two counts.
                return refuse("it has a key twice: \(container.key)")
            }
            return true
        }

        func name(_ key: String) -> Bool {
            open.last?.key = key
            return true
        }

        func begin(isObject: Bool) -> Bool {
            guard open.count < depthLimit else { return refuse("it is nested deeper than \(depthLimit) levels") }
            open.append(Container(isObject: isObject))
            return true
        }

        func end() -> Bool { open.popLast().map { add($0.value) } ?? false }

        private func refuse(_ why: String) -> Bool {
            complaint = why
            return false
        }
    }

    /// - Throws: ``Invalid``.
    static func read(_ text: [UInt8]) throws -> JSONValue {
        let builder = Builder()
        let context = Unmanaged.passUnretained(builder).toOpaque()
        var handler = handler
        let isWhole = text.withUnsafeBytes { paddock_json_read($0.baseAddress, $0.count, &handler, context) }
        guard isWhole, let result = builder.result else {
            throw Invalid(description: builder.complaint ?? "it is not JSON")
        }
        return result
    }

    private static var handler: paddock_json_handler {
        var handler = paddock_json_handler()
        handler.null_value = { context in JSONReader.builder(context)?.add(.null) ?? false }
        handler.boolean = { value, context in JSONReader.builder(context)?.add(.bool(value)) ?? false }
        handler.integer = { value, context in JSONReader.builder(context)?.add(.integer(value)) ?? false }
        handler.number = { value, context in JSONReader.builder(context)?.add(.number(value)) ?? false }
        handler.string = { bytes, length, context in
            JSONReader.builder(context)?.add(.string(JSONReader.text(bytes, length))) ?? false
        }
        handler.key = { bytes, length, context in
            JSONReader.builder(context)?.name(JSONReader.text(bytes, length)) ?? false
        }
        handler.begin = { isObject, context in JSONReader.builder(context)?.begin(isObject: isObject) ?? false }
        handler.end = { context in JSONReader.builder(context)?.end() ?? false }
        return handler
    }

    private static func builder(_ context: UnsafeMutableRawPointer?) -> Builder? {
        context.map { Unmanaged<Builder>.fromOpaque($0).takeUnretainedValue() }
    }

    private static func text(_ bytes: UnsafePointer<CChar>?, _ length: Int) -> String {
        String(decoding: UnsafeRawBufferPointer(start: bytes, count: length), as: UTF8.self)
    }
}
