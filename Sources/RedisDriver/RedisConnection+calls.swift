import NIOCore

extension RedisConnection {
    // The state of a connection for the calls that wait on it; only its event loop uses it.

    enum Receiver {
        case call(RedisBatch)
        /// The connection's own first commands.
        case setup(deadline: NIODeadline)
    }

    struct InFlight {
        let receiver: Receiver
        let count: Int
        let writtenAt: NIODeadline
        let isSecondTry: Bool
        var replies: [RedisValue] = []

        var deadline: NIODeadline {
            switch receiver {
            case .call(let batch): batch.deadline
            case .setup(let deadline): deadline
            }
        }
    }

    struct Pending {
        let batch: RedisBatch
        let isSecondTry: Bool
        /// The call arrived during an attempt to connect, whose failure says nothing about now: it
        /// gets another attempt.
        var isLate = false
    }
}
