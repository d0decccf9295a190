import Runner

/// `paddock run --trace`: when a run had come how far.
enum TraceLines {
    /// - Parameter programBegan: when this program did; nil for a run that was not its first.
    static func show(_ trace: StageTrace, programBegan: ContinuousClock.Instant?) {
        if let programBegan {
            let before = programBegan.duration(to: trace.begun)
            Console.error("trace: \(before.milliseconds) ms from the program's beginning to the execution's")
        }
        Console.line("        ms      + ms  stage")
        var previous = Duration.zero
        for mark in trace.marks {
            Console.line(
                "\(pad(mark.at.milliseconds))\(pad((mark.at - previous).milliseconds))  \(mark.stage.rawValue)")
            previous = mark.at
        }
    }

    private static func pad(_ text: String) -> String { String(repeating: " ", count: max(1, 10 - text.count)) + text }
}

extension Duration {
    /// With two digits behind the point.
    var milliseconds: String {
        let hundredths = Int((self / .microseconds(10)).rounded())
        return "\(hundredths / 100).\(String(hundredths % 100 + 100).dropFirst())"
    }
}
