import Foundation
import Runner

/// A JSON object of a request, read key by key: every fault is collected, and told with its place.
final class JSONFields {
    /// Faults that are told: an answer must not be many times its request.
    private static let mostFaults = 20

    private let members: [String: JSONValue]
    private let place: String
    private var faults: [Problem.Detail] = []

    /// - Throws: ``Problem`` when it is not JSON, or no object.
    convenience init(bytes: [UInt8], known: [String]) throws {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw Problem.malformedJSON(
                bytes.isEmpty ? "the body is empty, and must be a JSON object" : "the body: \(error)")
        }
        guard case .object(let members) = value else { throw Problem.malformedJSON("the body must be a JSON object") }
        self.init(members, known: known)
    }

    init(_ members: [String: JSONValue], known: [String], place: String = "") {
        self.members = members
        self.place = place
        for key in members.keys.sorted() where !known.contains(key) && faults.count < Self.mostFaults {
            fault(key, "is not known; known are \(known.joined(separator: ", "))")
        }
    }

    func fault(_ key: String, _ message: String) {
        guard faults.count < Self.mostFaults else { return }
        faults.append(Problem.Detail(path: key.isEmpty ? place : "\(place)/\(key)", message: message))
    }

    func take(_ other: [Problem.Detail]) { faults += other.prefix(Self.mostFaults - faults.count) }

    /// - Throws: ``Problem`` with all that is wrong, if anything is.
    func check() throws { if !faults.isEmpty { throw Problem.invalid(faults) } }

    func has(_ key: String) -> Bool { members[key] != nil }

    /// The value of a key; nil when it is absent. An explicit null is a value here.
    func value(_ key: String) -> JSONValue? { members[key] }

    func isNull(_ key: String) -> Bool { members[key] == .null }

    private func present(_ key: String) -> JSONValue? {
        guard let value = members[key], value != .null else { return nil }
        return value
    }

    func required<Value>(_ key: String, _ read: (String) -> Value?) -> Value? {
        guard present(key) != nil else {
            fault(key, "is missing")
            return nil
        }
        return read(key)
    }

    func string(_ key: String, _ length: ClosedRange<Int>) -> String? {
        guard let value = present(key) else { return nil }
        guard case .string(let text) = value else { return refused(key, "must be a string") }
        // Not graphemes, of which one can be as long as one likes.
        let count = text.unicodeScalars.count
        guard length.contains(count) else {
            return refused(key, "must have \(length.lowerBound) to \(length.upperBound) characters, has \(count)")
        }
        guard !text.unicodeScalars.contains("\0") else { return refused(key, "must not hold U+0000") }
        return text
    }

    func string(_ key: String) -> String? { string(key, 1...1000) }

    func integer(_ key: String, _ range: ClosedRange<Int>) -> Int? {
        guard let value = present(key) else { return nil }
        guard let number = Self.whole(value), range.contains(number) else {
            return refused(key, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func number(_ key: String, _ range: ClosedRange<Double>) -> Double? {
        guard let value = present(key) else { return nil }
        let number: Double? =
            switch value {
            case .integer(let number): Double(number)
            case .number(let number): number
            default: nil
            }
        guard let number, range.contains(number) else {
            return refused(key, "must be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func bool(_ key: String) -> Bool? {
        guard let value = present(key) else { return nil }
        guard case .bool(let flag) = value else { return refused(key, "must be true or false") }
        return flag
    }

    func strings(_ key: String, atMost count: Int) -> [String]? {
        guard let value = present(key) else { return nil }
        guard case .array(let items) = value, items.count <= count else {
            return refused(key, "must be a list of at most \(count) strings")
        }
        var all: [String] = []
        for item in items {
            guard case .string(let text) = item else { return refused(key, "must be a list of strings") }
            all.append(text)
        }
        return all
    }

    /// An object of strings, such as labels.
    func dictionary(_ key: String, atMost count: Int) -> [String: String]? {
        guard let value = present(key) else { return nil }
        guard case .object(let members) = value, members.count <= count else {
            return refused(key, "must be an object of at most \(count) strings")
        }
        var all: [String: String] = [:]
        for (name, item) in members {
            guard case .string(let text) = item else { return refused(key, "\(name) must be a string") }
            all[name] = text
        }
        return all
    }

    /// An object with these keys at most; its faults are told with this one's.
    func object(_ key: String, known: String...) -> JSONFields? {
        guard let value = present(key) else { return nil }
        guard case .object(let members) = value else { return refused(key, "must be an object") }
        return JSONFields(members, known: known, place: "\(place)/\(key)")
    }

    /// Takes the faults of an object that was read from here.
    func collect(_ inner: JSONFields?) { if let inner { take(inner.faults) } }

    /// Decodes an object into what has the same names.
    func decoded<Value: Decodable>(_ key: String, as type: Value.Type, known: [String]) -> Value? {
        guard let value = present(key) else { return nil }
        guard case .object(let members) = value else { return refused(key, "must be an object") }
        for name in members.keys.sorted() where !known.contains(name) && faults.count < Self.mostFaults {
            fault("\(key)/\(name)", "is not known; known are \(known.joined(separator: ", "))")
        }
        do {
            return try JSONDecoder().decode(Value.self, from: Data(try value.serialized()))
        } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
            DecodingError.dataCorrupted(let context)
        {
            let path = ([key] + context.codingPath.map(\.stringValue)).joined(separator: "/")
            return refused(path, "has not the type that it must have")
        } catch {
            return refused(key, "cannot be read")
        }
    }

    private func refused<Value>(_ key: String, _ message: String) -> Value? {
        fault(key, message)
        return nil
    }

    private static func whole(_ value: JSONValue) -> Int? {
        switch value {
        case .integer(let number): Int(exactly: number)
        case .number(let number): Int(exactly: number)
        default: nil
        }
    }
}
