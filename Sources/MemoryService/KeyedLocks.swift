/// Serialises the writers of one key in this process, first come first served. Concurrent writers
/// of one session would only make each other's compare-and-set fail; the store detects writers in
/// other processes.
actor KeyedLocks<Key: Hashable & Sendable> {
    private struct Waiter {
        let id: Int
        let continuation: CheckedContinuation<Void, any Error>
    }

    /// The waiters of each locked key, in the order of their arrival.
    private var waiters: [Key: [Waiter]] = [:]
    private var lastID = 0

    /// Runs `body` with the lock of `key`.
    ///
    /// - Throws: what `body` throws; `CancellationError` if the task is cancelled while it waits.
    nonisolated func withLock<Value: Sendable>(
        _ key: Key, _ body: @Sendable () async throws -> Value
    ) async throws -> Value {
        try await enter(key)
        do {
            let value = try await body()
            await leave(key)
            return value
        } catch {
            await leave(key)
            throw error
        }
    }

    /// Runs `body` with the locks of all keys, which all callers take in the same order.
    nonisolated func withLock<Value: Sendable>(
        all keys: Set<Key>, _ body: @Sendable () async throws -> Value
    ) async throws -> Value where Key: Comparable {
        var taken: [Key] = []
        do {
            for key in keys.sorted() {
                try await enter(key)
                taken.append(key)
            }
            let value = try await body()
            for key in taken { await leave(key) }
            return value
        } catch {
            for key in taken { await leave(key) }
            throw error
        }
    }

    private func enter(_ key: Key) async throws {
        guard waiters[key] != nil else {
            waiters[key] = []
            return
        }
        lastID += 1
        let id = lastID
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                if Task.isCancelled {
                    continuation.resume(throwing: CancellationError())
                } else {
                    waiters[key, default: []].append(Waiter(id: id, continuation: continuation))
                }
            }
        } onCancel: {
            Task { await giveUp(id, key) }
        }
    }

    private func giveUp(_ id: Int, _ key: Key) {
        guard let index = waiters[key]?.firstIndex(where: { $0.id == id }),
            let waiter = waiters[key]?.remove(at: index)
        else { return }
        waiter.continuation.resume(throwing: CancellationError())
    }

    private func leave(_ key: Key) {
        guard var queue = waiters[key], !queue.isEmpty else {
            waiters[key] = nil
            return
        }
        let next = queue.removeFirst()
        waiters[key] = queue
        next.continuation.resume()
    }
}
