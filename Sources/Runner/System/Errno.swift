import Glibc

/// Words for the kernel's error numbers.
enum Errno {
    static func message(_ number: Int32) -> String { String(cString: strerror(number)) }

    /// Of the last call that failed on this thread.
    static var last: String { message(errno) }
}
