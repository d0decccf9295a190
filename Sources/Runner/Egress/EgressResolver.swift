import CResolver
import Glibc
import NIOPosix

/// Turns names into addresses.
protocol EgressResolver: Sendable {
    /// - Returns: in the order in which they are to be tried.
    /// - Throws: the reason, for a name that has none.
    func addresses(of name: String) async throws -> [IPAddress]

    /// No more lookups will be asked for.
    func close()
}

/// getaddrinfo(3) on a few threads of its own: it blocks for as long as a name server lets it, and the lookups of one
/// execution must not hold up another's.
///
/// A name is taken as it is. With resolv.conf's search list `a.example.com`, where nobody knows it, would become
/// `a.example.com.corp.example`, which no rule names.
final class SystemResolver: EgressResolver {
    private static let threads = 4
    private let pool = NIOThreadPool(numberOfThreads: threads)

    init() { pool.start() }

    func addresses(of name: String) async throws -> [IPAddress] {
        try await pool.runIfActive { try Self.lookUp(name) }
    }

    func close() { pool.shutdownGracefully { _ in } }

    private static func lookUp(_ name: String) throws -> [IPAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        guard paddock_resolve_absolute() == 0 else {
            throw EgressRecord.Reason(.unresolved, "\(name) cannot be resolved: resolv.conf cannot be read")
        }
        var first: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(name, nil, &hints, &first)
        guard result == 0 else {
            let why = result == EAI_SYSTEM ? Errno.last : String(cString: gai_strerror(result))
            throw EgressRecord.Reason(.unresolved, "\(name) cannot be resolved: \(why)")
        }
        defer { freeaddrinfo(first) }
        var addresses: [IPAddress] = []
        var next = first
        while let entry = next {
            if let address = entry.pointee.ai_addr.flatMap({ IPAddress($0) }), !addresses.contains(address) {
                addresses.append(address)
            }
            next = entry.pointee.ai_next
        }
        return addresses
    }
}
