import AgentMemory
import Synchronization

/// Stores the size of the last response for each path, so that the next request can take its share
/// in advance.
final class AnswerSizes: Sendable {
    /// The largest number of stored paths; then all are dropped, and learned again.
    private static let capacity = 4096
    /// Bytes of a stored path.
    private static let longest = 1024

    private let sizes = Mutex<[ExactString: Int]>([:])

    subscript(path: String) -> Int? {
        sizes.withLock { $0[ExactString(path)] }
    }

    func note(_ bytes: Int, for path: String) {
        guard path.utf8.count <= Self.longest else { return }
        let path = ExactString(path)
        sizes.withLock { sizes in
            if sizes.count >= Self.capacity, sizes[path] == nil { sizes.removeAll(keepingCapacity: true) }
            sizes[path] = bytes
        }
    }
}
