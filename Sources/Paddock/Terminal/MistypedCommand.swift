import ArgumentParser

/// What was typed, as far as it names commands: so that whoever mistypes one is told which, and where its help is.
struct MistypedCommand {
    /// Such as `paddock seccomp show`.
    let path: String
    /// A word where a command should be, and which there is not; nil for none.
    let unknown: String?
    /// A command that is spelt almost so.
    let meant: String?

    /// - Parameter arguments: without the program's name.
    init(_ arguments: some Sequence<String>) {
        var command: any ParsableCommand.Type = PaddockCommand.self
        var path = [PaddockCommand._commandName]
        var unknown: String?
        for word in arguments {
            let known = command.configuration.subcommands
            guard !known.isEmpty, !word.hasPrefix("-"), word != "help" else { break }
            guard let next = known.first(where: { $0._commandName == word }) else {
                unknown = word
                break
            }
            path.append(word)
            command = next
        }
        self.path = path.joined(separator: " ")
        self.unknown = unknown
        let names = Self.names(of: command)
        meant = unknown.flatMap { Self.nearest(to: $0, of: names) }
    }

    private static func names(of command: any ParsableCommand.Type) -> [String] {
        var names: [String] = []
        for subcommand in command.configuration.subcommands { names.append(subcommand._commandName) }
        return names
    }

    private static func nearest(to word: String, of names: [String]) -> String? {
        let distances = names.map { ($0, distance(Array(word), Array($0))) }
        // A third of it may be wrong.
        return distances.min { $0.1 < $1.1 }.flatMap { $0.1 <= max(1, word.count / 3) ? $0.0 : nil }
    }

    /// Letters that must be put in, taken out or changed, or stand in each other's place.
    private static func distance(_ one: [Character], _ other: [Character]) -> Int {
        var rows = [Array(0...other.count)]
        for i in 1..<(one.count + 1) {
            var row = [i]
            for j in 1..<(other.count + 1) {
                let change = rows[i - 1][j - 1] + (one[i - 1] == other[j - 1] ? 0 : 1)
                var least = min(rows[i - 1][j] + 1, row[j - 1] + 1, change)
                if i > 1, j > 1, one[i - 1] == other[j - 2], one[i - 2] == other[j - 1] {
                    least = min(least, rows[i - 2][j - 2] + 1)
                }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[one.count][other.count]
    }

    /// - Parameter message: the parser's.
    func explanation(_ message: String) -> String {
        let help = "see \(path) --help"
        guard let unknown else { return message.contains("\n") ? "\(message)\n\(help)" : "\(message) (\(help))" }
        let hint = meant.map { "did you mean \($0)? (\(help))" } ?? help
        return "there is no command '\(unknown)' of \(path): \(hint)"
    }
}
