import Glibc

/// A thread that runs one closure.
final class WorkerThread: Sendable {
    private final class Body {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private let thread: pthread_t

    init(_ run: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(Body(run)).toOpaque()
        let result = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context)
        precondition(result == 0, "no thread could be started: \(String(cString: strerror(result)))")
        self.thread = thread
    }

    /// Waits for its end; called once.
    func join() { pthread_join(thread, nil) }
}
