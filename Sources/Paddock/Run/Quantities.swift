import ArgumentParser

/// Mebibytes: a plain number, or one with `m` or `g`.
struct Mebibytes: ExpressibleByArgument {
    let value: Int

    init?(argument: String) {
        let text = argument.lowercased()
        let factors = ["mib": 1, "m": 1, "gib": 1024, "g": 1024]
        guard let (number, factor) = Self.split(text, factors), number > 0, number * factor <= 1 << 30 else {
            return nil
        }
        value = number * factor
    }

    private static func split(_ text: String, _ factors: [String: Int]) -> (Int, Int)? {
        if let number = Int(text) { return number <= 1 << 30 ? (number, 1) : nil }
        for (suffix, factor) in factors where text.hasSuffix(suffix) {
            if let number = Int(text.dropLast(suffix.count)), number <= 1 << 30 { return (number, factor) }
        }
        return nil
    }
}

/// Seconds: a plain number, or one with `ms`, `s`, `m` or `h`.
struct Seconds: ExpressibleByArgument {
    let value: Double

    init?(argument: String) {
        let factors: [(suffix: String, factor: Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)]
        if let number = Double(argument) {
            value = number
        } else if let unit = factors.first(where: { argument.hasSuffix($0.suffix) }),
            let number = Double(argument.dropLast(unit.suffix.count))
        {
            value = number * unit.factor
        } else {
            return nil
        }
        guard value.isFinite, value >= 0 else { return nil }
    }
}

/// `NAME=VALUE`.
struct Assignment: ExpressibleByArgument {
    let name: String
    let value: String

    init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals > argument.startIndex else { return nil }
        name = String(argument[..<equals])
        value = String(argument[argument.index(after: equals)...])
    }
}
