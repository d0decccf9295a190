/// One row of an answer.
public struct Row: Sendable {
    let columns: [String]
    let values: [SQLValue]

    /// The value of a column, by its name in the answer, which is best in small letters: PostgreSQL makes them small.
    ///
    /// ```swift
    /// let id: String = try row["id"]
    /// let ended: Date? = try row["finished_at"]
    /// ```
    /// - Throws: ``DatabaseError`` with code `decoding_failed` when there is no such column, or its value is not one.
    public subscript<Value: SQLConvertible>(_ column: String) -> Value {
        get throws {
            guard let index = columns.firstIndex(of: column) else {
                throw DatabaseError(
                    .decodingFailed,
                    "there is no column \(column) in the answer (it has: \(columns.joined(separator: ", ")))")
            }
            guard let value = Value(sqlValue: values[index]) else {
                throw DatabaseError(
                    .decodingFailed, "column \(column) holds \(values[index].kind), which is no \(Value.self)")
            }
            return value
        }
    }
}
