import Dispatch
import Glibc
import NIOConcurrencyHelpers

/// Signals that ask this program to end, counted. They are watched for as long as the value lives.
final class Interrupts {
    private var sources: [any DispatchSourceSignal] = []

    /// - Parameter onSignal: called with 1 for the first signal, 2 for the second and so on.
    init(_ onSignal: @escaping @Sendable (Int) -> Void) {
        let queue = DispatchQueue(label: "signals")
        let count = NIOLockedValueBox(0)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            // The default action would end the process before the source sees it.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                let nth = count.withLockedValue { count in
                    count += 1
                    return count
                }
                onSignal(nth)
            }
            source.resume()
            sources.append(source)
        }
    }
}
