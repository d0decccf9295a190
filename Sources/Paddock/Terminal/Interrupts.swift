import Dispatch
import Glibc
import NIOConcurrencyHelpers

/// Signals that ask this program to end, counted. They are watched for as long as the value lives.
final class Interrupts {
    /// `SIG_IGN` as a number: function pointers cannot be compared.
    private let ignored = 1
    private var sources: [any DispatchSourceSignal] = []

    /// - Parameter onSignal: called with the signal's number, and with 1 for the first signal, 2 for the second and so on.
    init(_ onSignal: @escaping @Sendable (_ signal: Int32, _ nth: Int) -> Void) {
        let queue = DispatchQueue(label: "signals")
        let count = NIOLockedValueBox(0)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            // nohup and its like ask that it be ignored.
            var before = sigaction()
            sigaction(number, nil, &before)
            if unsafeBitCast(before.__sigaction_handler.sa_handler, to: Int.self) == ignored { continue }
            // The default action would end the process before the source sees it.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                let nth = count.withLockedValue { count in
                    count += 1
                    return count
                }
                onSignal(number, nth)
            }
            source.resume()
            sources.append(source)
        }
    }
}
