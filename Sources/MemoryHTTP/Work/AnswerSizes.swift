import Synchronization

/// Remembers how large the last answer of a path was, for the next request to take its share before
/// it is worked on.
final class AnswerSizes: Sendable {
    /// Paths that are remembered; then all are forgotten, and learned again.
    private static let capacity = 4096
    /// Bytes of a path that is remembered.
    private static let longest = 1024

    private let sizes = Mutex<[String: Int]>([:])

    subscript(path: String) -> Int? {
        sizes.withLock { $0[path] }
    }

    func note(_ bytes: Int, for path: String) {
        guard path.utf8.count <= Self.longest else { return }
        sizes.withLock { sizes in
            if sizes.count >= Self.capacity, sizes[path] == nil { sizes.removeAll(keepingCapacity: true) }
            sizes[path] = bytes
        }
    }
}
