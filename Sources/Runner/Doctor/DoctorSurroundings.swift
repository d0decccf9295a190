import Glibc

/// What probes reach for: listeners on the host, and another sandbox that runs meanwhile.
struct DoctorSurroundings: Sendable {
    /// A word that only the other sandbox's command line and the secret hold.
    static let word = "s3cr3t-7f3"

    let otherContainer: String
    let engineSocket: String
    let listeners: HostListeners

    func fenceArgument(_ argument: Probe.Argument) -> String? {
        switch argument {
        case .none, .hostNameserver: nil
        case .word(let word): word
        case .hostPort: "\(listeners.tcpPort)"
        case .hostSocket: listeners.socketName
        }
    }

    func controlArgument(_ argument: Probe.Argument) -> String? {
        guard case .hostNameserver = argument else { return fenceArgument(argument) }
        return "127.0.0.1:\(listeners.udpPort)"
    }
}

/// Sockets of the host that a sandbox must not reach. Nobody answers: that a connection is made is all.
final class HostListeners: Sendable {
    struct Failure: Error, CustomStringConvertible {
        let description = "no sockets could be opened on the host's loopback: \(Errno.last)"
    }

    let tcpPort: UInt16
    let udpPort: UInt16
    /// Abstract, unix(7).
    let socketName = "paddock-doctor-\(getpid())"
    private let descriptors: [CInt]

    /// - Throws: ``Failure``.
    init() throws {
        let tcp = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        let udp = socket(AF_INET, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        let local = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        descriptors = [tcp, udp, local]
        do {
            tcpPort = try Self.bindLoopback(tcp)
            udpPort = try Self.bindLoopback(udp)
            try Self.bindAbstract(local, socketName)
            guard listen(tcp, 64) == 0, listen(local, 64) == 0 else { throw Failure() }
        } catch {
            for descriptor in descriptors where descriptor >= 0 { close(descriptor) }
            throw error
        }
    }

    deinit { for descriptor in descriptors { close(descriptor) } }

    private static func bindLoopback(_ descriptor: CInt) throws -> UInt16 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard bound else { throw Failure() }
        return UInt16(bigEndian: address.sin_port)
    }

    private static func bindAbstract(_ descriptor: CInt, _ name: String) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.dropFirst().copyBytes(from: name.utf8) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + 1 + name.utf8.count)
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) == 0 }
        }
        guard bound else { throw Failure() }
    }
}
