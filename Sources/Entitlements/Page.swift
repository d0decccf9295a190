/// A part of a list, and where the next one begins.
public struct Page<Element: Sendable>: Sendable {
    public let elements: [Element]
    /// Given to the same call for what follows; nil at the end.
    public let nextCursor: String?

    /// - Parameter elements: one more than `limit` where there are more.
    init(_ elements: [Element], limit: Int, cursor: (Element) -> String) {
        self.elements = Array(elements.prefix(limit))
        nextCursor = elements.count > limit ? self.elements.last.map(cursor) : nil
    }
}
