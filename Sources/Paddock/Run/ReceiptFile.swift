import Glibc
import Runner

/// Where `paddock run --receipt` writes. Opened before the run: a file that cannot be written is said at once.
final class ReceiptFile {
    private let path: String
    private let keys: KeyFolder
    private let descriptor: CInt
    private let isNew: Bool
    private var isWritten = false

    /// - Throws: ``Failure`` for a file that cannot be written, `KeyFolder.Failure` for a key that must not be used.
    init(_ path: String, keys: KeyFolder) throws {
        _ = try keys.signingKey()
        self.path = path
        self.keys = keys
        isNew = access(path, F_OK) != 0
        descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw Failure("--receipt: the file \(path) cannot be written: \(String(cString: strerror(errno)))")
        }
    }

    /// An execution that never was leaves no file.
    deinit {
        close(descriptor)
        if isNew, !isWritten { unlink(path) }
    }

    /// Signs, with the key that is in use now.
    func write(_ finished: FinishedExecution, input: [UInt8], log: LogDigest) throws {
        let receipt = try Receipt(
            of: finished.execution, input: input, log: log.log(droppedBytes: finished.droppedLogBytes),
            policy: finished.policy)
        let document = try keys.signingKey().sign(receipt).serialized()
        // What was there before may be longer. A pipe cannot be cut, and need not be.
        ftruncate(descriptor, 0)
        if let errno = StandardStreams.write(document[...], to: descriptor) {
            throw Failure("--receipt: \(path) could not be written: \(String(cString: strerror(errno)))")
        }
        isWritten = true
    }
}
