import Glibc

/// Words for the kernel's error numbers.
enum Errno {
    static func message(_ number: Int32) -> String { String(cString: strerror(number)) }

    /// The constant's name, of those that a filter answers with.
    static func name(_ number: Int32) -> String {
        [EPERM: "EPERM", EACCES: "EACCES", EINVAL: "EINVAL", ENOSYS: "ENOSYS"][number] ?? "errno \(number)"
    }

    /// Of the last call that failed on this thread.
    static var last: String { message(errno) }
}
