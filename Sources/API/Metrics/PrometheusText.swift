/// Prometheus' text format, version 0.0.4.
///
/// Source: https://prometheus.io/docs/instrumenting/exposition_formats/.
struct PrometheusText: CustomStringConvertible {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var description = ""

    mutating func add(_ name: String, _ family: MetricRegistry.Family) {
        addHead(name, family.kind, family.help)
        let series = family.series.map { (Self.text(of: $0.key.pairs), $0.value) }.sorted { $0.0 < $1.0 }
        for (labels, series) in series {
            for sample in series.samples { add(name + sample.suffix, labels, sample.label, sample.value) }
        }
    }

    /// A metric with one value and no labels.
    mutating func add(_ name: String, _ kind: MetricRegistry.Kind, _ help: String, _ value: Double) {
        addHead(name, kind, help)
        add(name, "", nil, value)
    }

    private mutating func addHead(_ name: String, _ kind: MetricRegistry.Kind, _ help: String) {
        let help = help.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
        description += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    }

    private mutating func add(
        _ name: String, _ labels: String, _ extra: (name: String, value: String)?, _ value: Double
    ) {
        var all = labels
        if let extra { all += (all.isEmpty ? "" : ",") + Self.pair(extra.name, extra.value) }
        description += "\(name)\(all.isEmpty ? "" : "{\(all)}") \(Self.number(value))\n"
    }

    private static func text(of pairs: [MetricRegistry.Labels.Pair]) -> String {
        pairs.map { pair($0.name, $0.value) }.joined(separator: ",")
    }

    private static func pair(_ name: String, _ value: String) -> String {
        let escaped = value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
        return "\(name)=\"\(escaped)\""
    }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value == value.rounded() && value.magnitude < 1e15 ? String(Int64(value)) : String(value)
    }

    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`, without the colons, which are for Prometheus' own rules.
    static func metricName(_ label: String) -> String { name(label) }

    static func labelName(_ label: String) -> String { name(label) }

    private static func name(_ text: String) -> String {
        let plain = String(
            text.unicodeScalars.map { scalar in
                switch scalar {
                case "a"..."z", "A"..."Z", "0"..."9": Character(scalar)
                default: "_"
                }
            })
        return plain.first.map { ("0"..."9").contains($0) } ?? true ? "_" + plain : plain
    }
}
