import Glibc

/// This process, as /proc has it: proc(5). Names are those that Prometheus' own libraries use.
struct ProcessMetrics {
    private let folder: String

    /// - Parameter folder: of the process.
    init(folder: String = "/proc/self") { self.folder = folder }

    func write(to text: inout PrometheusText) {
        if let numbers = statNumbers {
            let ticks = Double(sysconf(CInt(_SC_CLK_TCK)))
            text.add(
                "process_cpu_seconds_total", .counter, "CPU time, user and system.", (numbers[11] + numbers[12]) / ticks
            )
            text.add("process_threads", .gauge, "Threads.", numbers[17])
            text.add("process_virtual_memory_bytes", .gauge, "Virtual memory.", numbers[20])
            text.add(
                "process_resident_memory_bytes", .gauge, "Resident memory.",
                numbers[21] * Double(sysconf(CInt(_SC_PAGESIZE))))
            if let boot = bootTime {
                text.add(
                    "process_start_time_seconds", .gauge, "Start of the process, in seconds since 1970.",
                    boot + numbers[19] / ticks)
            }
        }
        if let open = openDescriptors { text.add("process_open_fds", .gauge, "Open file descriptors.", open) }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            text.add("process_max_fds", .gauge, "Most file descriptors that may be open.", Double(limit.rlim_cur))
        }
    }

    /// The fields of `stat` from the third on. The second, the program's name, may hold anything.
    private var statNumbers: [Double]? {
        guard let text = read(folder + "/stat"), let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(whereSeparator: \.isWhitespace)
        guard fields.count > 21 else { return nil }
        return fields.map { Double($0) ?? 0 }
    }

    private var bootTime: Double? {
        read("/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }.flatMap { Double($0.dropFirst(6)) }
    }

    private var openDescriptors: Double? {
        guard let directory = opendir(folder + "/fd") else { return nil }
        defer { closedir(directory) }
        // Beside the two dots, the one that reads the folder.
        var count = -3.0
        while readdir(directory) != nil { count += 1 }
        return count
    }

    private func read(_ path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = Glibc.read(file, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
