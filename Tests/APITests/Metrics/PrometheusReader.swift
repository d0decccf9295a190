/// Reads Prometheus' text format, 0.0.4, and takes nothing that is not in it: what our own writer is checked with.
struct PrometheusReader {
    struct Malformed: Error, CustomStringConvertible {
        let description: String
    }

    struct Sample: Equatable {
        var name: String
        var labels: [String: String]
        var value: Double
    }

    struct Family {
        var help: String?
        var type: String?
        var samples: [Sample] = []
    }

    private(set) var families: [String: Family] = [:]

    init(_ text: String) throws {
        guard text.hasSuffix("\n") else { throw Malformed(description: "the last line does not end") }
        var current: String?
        for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("# ") {
                let words = line.split(separator: " ", maxSplits: 3).map(String.init)
                guard words.count == 4, ["HELP", "TYPE"].contains(words[1]) else {
                    throw Malformed(description: "a comment: \(line)")
                }
                var family = families[words[2]] ?? Family()
                guard family.samples.isEmpty, words[1] == "HELP" ? family.help == nil : family.type == nil else {
                    throw Malformed(description: "twice, or behind its samples: \(line)")
                }
                if words[1] == "HELP" { family.help = words[3] } else { family.type = words[3] }
                families[words[2]] = family
                current = words[2]
            } else {
                let sample = try Self.sample(String(line))
                guard let name = current, let family = families[name], Self.belongs(sample.name, to: name, family.type)
                else { throw Malformed(description: "not with its metric: \(line)") }
                let isKnown = family.samples.contains { $0.name == sample.name && $0.labels == sample.labels }
                guard !isKnown else { throw Malformed(description: "twice: \(line)") }
                families[name]?.samples.append(sample)
            }
        }
        for (name, family) in families { try Self.check(name, family) }
    }

    func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        families.values.flatMap(\.samples).first { $0.name == name && $0.labels == labels }?.value
    }

    private static func belongs(_ sample: String, to name: String, _ type: String?) -> Bool {
        type == "histogram" ? ["_bucket", "_sum", "_count"].contains { sample == name + $0 } : sample == name
    }

    private static func check(_ name: String, _ family: Family) throws {
        guard family.help != nil, let type = family.type, ["counter", "gauge", "histogram"].contains(type) else {
            throw Malformed(description: "\(name) has no help or type")
        }
        guard type == "counter" ? name.hasSuffix("_total") : !name.hasSuffix("_total") else {
            throw Malformed(description: "\(name) is a \(type)")
        }
        guard type == "histogram" else { return }
        let buckets = Dictionary(grouping: family.samples.filter { $0.name.hasSuffix("_bucket") }) { sample in
            sample.labels.filter { $0.key != "le" }
        }
        for (labels, samples) in buckets {
            let bounds = samples.map { Double($0.labels["le"] ?? "") ?? .nan }
            let counts = samples.map(\.value)
            guard bounds == bounds.sorted(), bounds.last == .infinity, counts == counts.sorted(),
                family.samples.contains(Sample(name: name + "_count", labels: labels, value: counts.last ?? -1)),
                family.samples.contains(where: { $0.name == name + "_sum" && $0.labels == labels })
            else { throw Malformed(description: "\(name) \(labels) is no histogram") }
        }
    }

    private static func sample(_ line: String) throws -> Sample {
        let name = line.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
        guard !name.isEmpty, !(name.first?.isNumber ?? true) else { throw Malformed(description: "no name: \(line)") }
        var rest = line[name.endIndex...]
        var labels: [String: String] = [:]
        if rest.hasPrefix("{") {
            rest = rest.dropFirst()
            while !rest.hasPrefix("}") {
                let label = rest.prefix { $0 != "=" }
                rest = rest[label.endIndex...]
                guard rest.hasPrefix("=\"") else { throw Malformed(description: "a label: \(line)") }
                rest = rest.dropFirst(2)
                var value = ""
                while let character = rest.first, character != "\"" {
                    rest = rest.dropFirst()
                    guard character == "\\" else {
                        value.append(character)
                        continue
                    }
                    guard let escaped = rest.popFirst(),
                        let plain = ["\\": "\\", "\"": "\"", "n": "\n"][String(escaped)]
                    else { throw Malformed(description: "an escape: \(line)") }
                    value += plain
                }
                guard rest.popFirst() == "\"", labels.updateValue(value, forKey: String(label)) == nil else {
                    throw Malformed(description: "a label: \(line)")
                }
                if rest.hasPrefix(",") { rest = rest.dropFirst() }
            }
            rest = rest.dropFirst()
        }
        let words = ["+Inf": Double.infinity, "-Inf": -.infinity, "NaN": .nan]
        guard rest.hasPrefix(" "), let value = words[String(rest.dropFirst())] ?? Double(rest.dropFirst()) else {
            throw Malformed(description: "no value: \(line)")
        }
        return Sample(name: String(name), labels: labels, value: value)
    }
}
