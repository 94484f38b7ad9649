import NIOCore
import Synchronization

/// Commands that are written in one piece and whose replies are collected together: one call of the
/// client.
///
/// The caller waits on it; its connection settles it; the first of replies, deadline and
/// cancellation wins.
final class RedisBatch: Sendable {
    private enum Outcome {
        case new
        case waiting(CheckedContinuation<[RedisValue], any Error>)
        case settled
    }

    let bytes: ByteBuffer
    /// The number of replies it needs.
    let count: Int
    let deadline: NIODeadline
    /// Whether it may be sent again after a connection broke: true only for reads.
    let isRepeatable: Bool
    private let outcome = Mutex(Outcome.new)

    init(_ commands: [RedisCommand], deadline: NIODeadline, isRepeatable: Bool) {
        // An array first: appending to a buffer costs several calls for each command.
        var block: [UInt8] = []
        block.reserveCapacity(commands.reduce(0) { $0 + $1.bytes.count + RedisCommand.bytesAroundAnArgument })
        for command in commands { command.write(to: &block) }
        bytes = ByteBuffer(bytes: block)
        count = commands.count
        self.deadline = deadline
        self.isRepeatable = isRepeatable
    }

    /// Stores the continuation of the caller.
    ///
    /// - Returns: whether the batch must still be sent; if not, the continuation was resumed.
    func begin(_ continuation: CheckedContinuation<[RedisValue], any Error>) -> Bool {
        let isNew = outcome.withLock { outcome in
            guard case .new = outcome else { return false }
            outcome = .waiting(continuation)
            return true
        }
        if !isNew { continuation.resume(throwing: CancellationError()) }
        return isNew
    }

    /// Ends the wait; only the first call has an effect.
    func settle(_ result: Result<[RedisValue], any Error>) {
        let waiting = outcome.withLock { outcome -> CheckedContinuation<[RedisValue], any Error>? in
            defer { outcome = .settled }
            guard case .waiting(let continuation) = outcome else { return nil }
            return continuation
        }
        waiting?.resume(with: result)
    }

    var isSettled: Bool {
        outcome.withLock { outcome in
            if case .settled = outcome { true } else { false }
        }
    }
}
