public import Foundation

/// Counts events of the last while, in at most 1,081 slots however many there are.
///
/// An event counts from when it happened until its whole slot, a 360th of the window, is older than the window. So the
/// limit holds for every span of the window's length, and room comes back at most one slot late. It holds as well when
/// the clock steps back, by up to the window's length: what no longer counts is remembered for that long.
public struct SlidingWindow: Sendable, Equatable {
    private struct Slot: Sendable, Equatable {
        let number: Int
        var count: Int
    }

    private static let slotsInWindow = 360

    /// Seconds.
    public let length: Double
    /// By number, and none is empty.
    private var slots: [Slot] = []

    /// - Parameter length: seconds.
    public init(length: Double) { self.length = length }

    /// - Parameter text: as ``text`` gave it; what is none is no events.
    public init(length: Double, text: String) {
        self.length = length
        for part in text.split(separator: ",") {
            let numbers = part.split(separator: ":").compactMap { Int($0) }
            guard numbers.count == 2, numbers[1] > 0, slots.last.map({ $0.number < numbers[0] }) ?? true else {
                slots = []
                break
            }
            slots.append(Slot(number: numbers[0], count: numbers[1]))
        }
    }

    /// To be stored.
    public var text: String { slots.map { "\($0.number):\($0.count)" }.joined(separator: ",") }

    private var slotLength: Double { length / Double(Self.slotsInWindow) }

    private func slot(_ now: Date) -> Int { Int((now.timeIntervalSince1970 / slotLength).rounded(.down)) }

    /// What still counts. Slots ahead of now are those of a clock that has stepped back: they count, but for those that
    /// no step could explain.
    private func counting(_ now: Date) -> ArraySlice<Slot> {
        let present = slot(now)
        let first = slots.firstIndex { $0.number >= present - Self.slotsInWindow } ?? slots.endIndex
        let end = slots.firstIndex { $0.number > present + Self.slotsInWindow } ?? slots.endIndex
        return slots[first..<max(first, end)]
    }

    /// Events that count.
    public func used(at now: Date) -> Int { counting(now).reduce(0) { $0 + $1.count } }

    /// When there is room for one more.
    /// - Returns: nil when there is now, or never will be.
    public func resetAt(limit: Int, at now: Date) -> Date? {
        var used = used(at: now)
        guard used >= limit, limit > 0 else { return nil }
        for slot in counting(now) {
            used -= slot.count
            if used < limit {
                return Date(timeIntervalSince1970: Double(slot.number + Self.slotsInWindow + 1) * slotLength)
            }
        }
        return nil
    }

    /// When nothing counts any more; nil when nothing does now.
    public func emptyAt(_ now: Date) -> Date? {
        counting(now).last.map {
            Date(timeIntervalSince1970: Double($0.number + Self.slotsInWindow + 1) * slotLength)
        }
    }

    /// Counts one.
    public mutating func add(at now: Date) {
        let present = slot(now)
        slots = slots.filter {
            $0.number >= present - 2 * Self.slotsInWindow && $0.number <= present + Self.slotsInWindow
        }
        // Behind the clock that was ahead, slots stay in order.
        let number = max(present, slots.last?.number ?? Int.min)
        if slots.last?.number == number {
            slots[slots.endIndex - 1].count += 1
        } else {
            slots.append(Slot(number: number, count: 1))
        }
    }
}
