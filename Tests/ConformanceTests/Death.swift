import AgentMemory
import Synchronization

/// The end of a process at one of its calls of a backend or an event store.
final class Death: Sendable {
    /// What becomes of the last call.
    enum Kind: CaseIterable, Sendable {
        case before, halfDone, done
    }

    let kind: Kind
    private let left: Mutex<Int>

    /// - Parameter calls: how many succeed.
    init(_ kind: Kind, after calls: Int) {
        self.kind = kind
        left = Mutex(calls)
    }

    var hasCome: Bool { left.withLock { $0 < 0 } }

    /// - Parameter part: the last call, if only a part of it is done.
    func call<Value: Sendable>(
        part: (() async throws -> Void)? = nil, _ body: () async throws -> Value
    ) async throws -> Value {
        let left = left.withLock { left in
            left -= 1
            return left
        }
        if left >= 0 { return try await body() }
        if left == -1 {
            if kind == .done { _ = try await body() }
            if kind == .halfDone { try await part?() }
        }
        throw MemoryError(.storeUnavailable, "the process has died")
    }
}
