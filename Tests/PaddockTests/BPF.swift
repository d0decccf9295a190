/// Classic BPF as the kernel runs it for seccomp(2): only the instructions that libseccomp makes.
struct BPF {
    enum Decision: Equatable {
        case allow
        case errno(Int)
        case other(UInt32)
    }

    struct Invalid: Error {
        let at: Int
    }

    /// The kernel's number for the native architecture; seccomp_data's `arch`.
    #if arch(arm64)
        static let architecture: UInt32 = 0xC000_00B7
    #else
        static let architecture: UInt32 = 0xC000_003E
    #endif

    private let program: [(code: UInt16, ifTrue: Int, ifFalse: Int, k: UInt32)]

    /// - Parameter bytes: struct sock_filter, one after another.
    init(_ bytes: [UInt8]) {
        program = stride(from: 0, to: bytes.count, by: 8).map { at in
            let k = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[at + 4 + $1]) << (8 * $1) }
            return (UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8, Int(bytes[at + 2]), Int(bytes[at + 3]), k)
        }
    }

    func decide(_ number: Int, _ arguments: [UInt64], architecture: UInt32 = BPF.architecture) throws -> Decision {
        let words = arguments + [UInt64](repeating: 0, count: 6 - arguments.count)
        // struct seccomp_data: number, architecture, instruction pointer, arguments with the low half first.
        var data: [UInt32] = [UInt32(truncatingIfNeeded: number), architecture, 0, 0]
        for word in words { data += [UInt32(truncatingIfNeeded: word), UInt32(word >> 32)] }
        var accumulator: UInt32 = 0
        var at = 0
        while at < program.count {
            let (code, ifTrue, ifFalse, k) = program[at]
            at += 1
            switch code {
            case 0x20: accumulator = data[Int(k) / 4]
            case 0x54: accumulator &= k
            case 0x05: at += Int(k)
            case 0x15: at += accumulator == k ? ifTrue : ifFalse
            case 0x25: at += accumulator > k ? ifTrue : ifFalse
            case 0x35: at += accumulator >= k ? ifTrue : ifFalse
            case 0x45: at += accumulator & k != 0 ? ifTrue : ifFalse
            case 0x06: return Self.decision(k)
            default: throw Invalid(at: at - 1)
            }
        }
        throw Invalid(at: at)
    }

    private static func decision(_ value: UInt32) -> Decision {
        switch value & 0xFFFF_0000 {
        case 0x7FFF_0000: .allow
        case 0x0005_0000: .errno(Int(value & 0xFFFF))
        default: .other(value)
        }
    }
}
