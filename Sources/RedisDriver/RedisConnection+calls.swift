import NIOCore

extension RedisConnection {
    // What a connection keeps of the calls that wait on it; all of it stays on its event loop.

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
        /// It came while an attempt to connect was under way already, whose failure says nothing
        /// about now: it gets another.
        var isLate = false
    }
}
