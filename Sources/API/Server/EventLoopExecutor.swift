import NIOCore
import NIOPosix

/// Runs the tasks of connections on the event loops' own threads.
///
/// What resumes a task that way is mostly its connection's loop: then it goes on there, and no other thread has to be woken
/// to read a request, answer it and write the answer. Nothing may block there; a query by a key, which takes some
/// microseconds, is none of that.
final class EventLoopExecutor: TaskExecutor {
    static let shared = EventLoopExecutor()

    private let group = MultiThreadedEventLoopGroup.singleton

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        // The loop of this thread where it is one's, else any.
        group.any().execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
