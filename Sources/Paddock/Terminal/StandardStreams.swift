import Glibc

/// Our own stdin, stdout and stderr by plain system calls: Foundation's handles end the program at an error.
enum StandardStreams {
    /// Opens /dev/null in the place of each that the caller has closed. Otherwise the next file or socket that is opened
    /// would be taken for it.
    static func secure() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            _ = open("/dev/null", O_RDWR)
        }
    }

    /// Reads a file, pipe or terminal to its end, or to the limit.
    static func read(_ descriptor: CInt, name: String, upTo limit: Int) throws -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while all.count < limit {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count == 0 { break }
            if count > 0 {
                all += buffer[..<count]
            } else if errno != EINTR {
                throw Failure("\(name) cannot be read: \(String(cString: strerror(errno)))")
            }
        }
        return all
    }

    /// Reads a file or pipe that a flag or an argument names.
    static func contents(of path: String, for flag: String, upTo limit: Int) throws -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            throw Failure("\(flag): the file \(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { close(file) }
        return try read(file, name: "\(flag): \(path)", upTo: limit)
    }

    /// Writes everything, waiting for a slow reader.
    /// - Returns: nil, or the error number of write(2).
    static func write(_ bytes: ArraySlice<UInt8>, to descriptor: CInt) -> CInt? {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                waitForRoom(descriptor)
            } else if errno != EINTR {
                return errno
            }
        }
        return nil
    }

    /// Blocks until a non-blocking descriptor takes bytes again.
    private static func waitForRoom(_ descriptor: CInt) {
        var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        Glibc.poll(&poll, 1, 1000)
    }
}
