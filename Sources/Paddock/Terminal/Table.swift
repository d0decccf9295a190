/// Lines in columns, each as wide as its widest cell.
struct Table {
    private var rows: [[String]]

    /// - Parameter header: the columns' names; empty for none.
    init(_ header: [String] = []) { rows = header.isEmpty ? [] : [header] }

    mutating func add(_ cells: String...) { rows.append(cells) }

    /// The last column is not padded.
    var text: String {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            row.enumerated().map { column, cell in
                column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
            }.joined(separator: "  ") + "\n"
        }.joined()
    }
}
