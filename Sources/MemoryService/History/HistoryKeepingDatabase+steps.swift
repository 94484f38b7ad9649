import AgentMemory
import Logging
import Synchronization

extension HistoryKeepingDatabase {
    /// What a write finds, while nothing else writes it.
    struct Found: Sendable {
        let records: [ExactString: MemoryRecord]
        /// The numbers of the latest events.
        let latest: [ExactString: Int]

        /// Refuses to replace what is outside of the scope.
        func check(_ given: [MemoryRecord], within scope: AccessScope) throws {
            for record in given {
                guard records[ExactString(record.id)].map({ scope.contains($0) }) ?? true else {
                    throw AccessScope.conflict
                }
            }
        }
    }

    /// What a write is to do.
    enum Plan<Value: Sendable>: Sendable {
        /// Nothing.
        case answer(Value)
        /// Calls of the backend, after which each record is as given (`nil` for none).
        case write(
            [(id: String, after: MemoryRecord?)], kind: MemoryEvent.Kind, @Sendable () async throws -> Value)
    }

    /// The cancellation of a write, which has no effect once the backend is called.
    private final class Cancellation: Sendable {
        private enum State {
            case waiting, cancelled, committed
        }

        private let state = Mutex(State.waiting)

        /// - Returns: whether the write may go on to its end.
        func commit() -> Bool {
            state.withLock { state in
                if state == .waiting { state = .committed }
                return state == .committed
            }
        }

        /// - Returns: whether it came in time.
        func cancel() -> Bool {
            state.withLock { state in
                if state == .waiting { state = .cancelled }
                return state == .cancelled
            }
        }
    }

    /// Runs a write of the records with these ids.
    ///
    /// A cancelled task ends early; a write that has come to the backend goes on to its end all the
    /// same.
    ///
    /// - Parameters:
    ///   - ids: of all records that it may change.
    ///   - hashes: the memory hashes that it depends on.
    ///   - plan: decides by what is stored; it writes nothing.
    func write<Value: Sendable>(
        _ ids: [String], hashes: [String] = [], _ plan: @escaping @Sendable (Found) async throws -> Plan<Value>
    ) async throws -> Value {
        let ids = ids.exactlyDistinct()
        let keys = Set(ids.map { Key.id(ExactString($0)) } + hashes.map(Key.hash))
        let cancellation = Cancellation()
        // The event store is asked about all records, whatever the caller may reach.
        return try await AccessScope.everything.limiting {
            let (ends, end) = AsyncStream<Result<Value, any Error>>.makeStream()
            let task = Task {
                do {
                    let value = try await self.locks.withLock(all: keys) {
                        try await self.write(ids, keys.sorted().map(\.text), plan, cancellation)
                    }
                    end.yield(.success(value))
                } catch {
                    end.yield(.failure(error))
                }
            }
            for await result in ends { return try result.get() }
            if cancellation.cancel() { task.cancel() }
            throw CancellationError()
        }
    }

    private func write<Value: Sendable>(
        _ ids: [String], _ keys: [String], _ plan: @Sendable (Found) async throws -> Plan<Value>,
        _ cancellation: Cancellation
    ) async throws -> Value {
        let begin = ContinuousClock.now
        let lease = try await open(keys)
        let found: Found
        let intent: WriteIntent
        let after: [(id: String, after: MemoryRecord?)]
        let body: @Sendable () async throws -> Value
        do {
            async let records = stored(ids)
            async let latest = events.latestEvents(of: ids)
            found = Found(records: try await records, latest: try await latest)
            switch try await plan(found) {
            case .answer(let value):
                await release(lease)
                return value
            case .write(let changes, let kind, let write):
                after = changes
                intent = WriteIntent(
                    changes.map { .init(id: $0.id, before: found.records[ExactString($0.id)]) }, kind: kind,
                    origin: WriteOrigin.current)
                body = write
            }
            try await note(intent, lease, openedAfter: begin)
            guard cancellation.commit() else { throw CancellationError() }
        } catch {
            await release(lease)
            throw (error as? MemoryError)?.beforeAnyWrite ?? error
        }
        let value: Value
        do {
            value = try await extending(lease, body)
        } catch {
            await settleFailed(intent, lease, error)
            throw error
        }
        var states: [ExactString: MemoryRecord] = [:]
        for (id, record) in after { states[ExactString(id)] = record }
        await mark(intent, leadingTo: states, lease, keys, found)
        return value
    }

    // MARK: Steps

    /// Waits until no other write has one of the keys, and opens this one.
    ///
    /// - Throws: ``MemoryError`` with code `timedOut`.
    private func open(_ keys: [String]) async throws -> WriteLease {
        let lease = WriteLease()
        var wait = Waiting(for: leaseDuration)
        while true {
            let others: [OpenWrite]?
            do {
                others = try await events.open(lease, keys: keys, for: leaseDuration)
            } catch {
                // It may be open all the same.
                await release(lease)
                throw (error as? MemoryError)?.beforeAnyWrite ?? error
            }
            guard let others else { return lease }
            try await settleOverdue(others)
            if !others.contains(where: \.isOverdue) { try await wait.pause() }
        }
    }

    /// Notes what is to be changed, so that the lease lasts for a while from now.
    private func note(
        _ intent: WriteIntent, _ lease: WriteLease, openedAfter opening: ContinuousClock.Instant
    ) async throws {
        let lost = MemoryError(
            .timedOut, "the write took too long, and another one may have taken its place; try again",
            mayHaveBeenDone: false)
        var begin = opening
        if events.makesEvents {
            begin = .now
            guard try await events.note(intent, of: lease, for: leaseDuration) else { throw lost }
        }
        while ContinuousClock.now - begin > leaseDuration / 2 {
            begin = .now
            guard try await events.extend(lease, for: leaseDuration) else { throw lost }
        }
    }

    /// Runs `body`, while the write cannot be overdue as long as the event store responds.
    private func extending<Value: Sendable>(
        _ lease: WriteLease, _ body: @Sendable () async throws -> Value
    ) async throws -> Value {
        let extensions = Task {
            while true {
                try await Task.sleep(for: leaseDuration / 4)
                _ = try? await events.extend(lease, for: leaseDuration)
            }
        }
        defer { extensions.cancel() }
        return try await body()
    }

    /// Ends a write that has changed nothing.
    private func release(_ lease: WriteLease) async {
        // In a task of its own: a cancelled write must not hold its records until it is overdue.
        _ = await Task { try? await self.events.end(lease, events: []) }.value
    }

    /// Ends a write that was done.
    private func mark(
        _ intent: WriteIntent, leadingTo states: [ExactString: MemoryRecord], _ lease: WriteLease, _ keys: [String],
        _ found: Found
    ) async {
        let new = events.makesEvents ? intent.events(leadingTo: states) : []
        for attempt in 1... {
            do {
                if try await events.end(lease, events: new) { return }
                // Taken over, or this is the second attempt, and the first one has ended it.
                return try await addLost(intent, keys, found)
            } catch {
                guard attempt == 3 else { continue }
                // The write was done, and it is noted: its events follow when it is overdue.
                logger.warning(
                    "the events of a write follow later",
                    metadata: ["backend": "\(name)", "operation": "\(intent.operation)", "error": "\(error)"])
                return
            }
        }
    }

    /// Makes the events of a write that came to its end only after it had been settled.
    private func addLost(_ intent: WriteIntent, _ keys: [String], _ found: Found) async throws {
        guard events.makesEvents else { return }
        let lease = try await open(keys)
        do {
            let ids = intent.changes.map(\.id)
            let latest = try await events.latestEvents(of: ids)
            let now = try await stored(ids)
            // Those without a later event were settled as if they had not been written.
            let lost = intent.events(leadingTo: now).filter { event in
                latest[ExactString(event.id)] == found.latest[ExactString(event.id)]
            }
            _ = try await events.end(lease, events: lost)
        } catch {
            await release(lease)
            throw error
        }
    }

    // MARK: Settling

    /// Ends a write that failed, if it is known what it did.
    private func settleFailed(_ intent: WriteIntent, _ lease: WriteLease, _ error: any Error) async {
        let isOver = (error as? MemoryError).map { $0.code != .timedOut } ?? false
        do {
            if isOver { return try await settle(intent, lease) }
            // The backend may still do it: so it is settled later.
            _ = try await events.extend(lease, for: leaseDuration)
        } catch {
            logger.warning(
                "a failed write is settled later",
                metadata: ["backend": "\(name)", "operation": "\(intent.operation)", "error": "\(error)"])
        }
    }

    /// Ends a write with the events of what is different from what was noted.
    private func settle(_ intent: WriteIntent?, _ lease: WriteLease) async throws {
        guard let intent, events.makesEvents else {
            _ = try await events.end(lease, events: [])
            return
        }
        let new = intent.events(leadingTo: try await stored(intent.changes.map(\.id)))
        _ = try await events.end(lease, events: new)
        logger.notice(
            "settled a write",
            metadata: [
                "backend": "\(name)", "operation": "\(intent.operation)", "records": "\(intent.changes.count)",
                "changed": "\(new.count)",
            ])
    }

    /// Settles those of the writes that are overdue.
    func settleOverdue(_ writes: [OpenWrite]) async throws {
        for write in writes where write.isOverdue {
            let lease = WriteLease(id: write.id)
            guard let taken = try await events.takeOver(lease, for: leaseDuration) else { continue }
            try await settle(taken.intent, lease)
        }
    }

    /// Settles what is overdue, until the task is cancelled.
    func settleAgainAndAgain() async throws {
        let resting = events as? any RestingStore
        while !Task.isCancelled {
            if resting?.isQuiet != true {
                do {
                    try await AccessScope.everything.limiting {
                        let overdue = try await OwnLook.run { try await self.events.openWrites(.overdue) }
                        try await self.settleOverdue(overdue)
                    }
                } catch is CancellationError {
                    return
                } catch {
                    logger.warning(
                        "open writes are not settled yet", metadata: ["backend": "\(name)", "error": "\(error)"])
                }
            }
            try await Task.sleep(for: leaseDuration / 2)
        }
    }

    /// Waits until the present writes of a selection have ended, so that their events are there.
    ///
    /// - Throws: ``MemoryError`` with code `timedOut`.
    func awaitWrites(_ selection: OpenWriteSelection) async throws {
        try await AccessScope.everything.limiting {
            let begun = Set(try await self.events.openWrites(selection).map(\.id))
            guard !begun.isEmpty else { return }
            var wait = Waiting(for: self.leaseDuration)
            while true {
                let left = try await self.events.openWrites(selection).filter { begun.contains($0.id) }
                if left.isEmpty { return }
                try await self.settleOverdue(left)
                if !left.contains(where: \.isOverdue) { try await wait.pause() }
            }
        }
    }

    /// Pauses until a write has ended, or is overdue.
    struct Waiting {
        private let end: ContinuousClock.Instant
        private var next = Duration.milliseconds(2)

        /// - Parameter duration: when a write is overdue.
        init(for duration: Duration) {
            // One that was taken over takes as long again.
            end = .now + duration * 2 + .seconds(1)
        }

        /// - Throws: ``MemoryError`` with code `timedOut`; `CancellationError`.
        mutating func pause() async throws {
            guard ContinuousClock.now < end else {
                throw MemoryError(
                    .timedOut, "another write of one of these memories has not come to its end; try again",
                    mayHaveBeenDone: false)
            }
            try await Task.sleep(for: next * Double.random(in: 0.5...1))
            next = min(next * 2, .milliseconds(100))
        }
    }
}
