public import AgentMemory
public import Logging

/// Calls that change memories in several batches: they are kept while they are at work, so that a
/// server finishes what another one has begun that was killed, or whose store did not respond.
///
/// Each batch is whole by itself. A call that is done in one batch needs none of this.
public struct OpenOperations: Sendable {
    private let memory: LongTermMemory
    private let documents: any DocumentStore
    private let turns: Turns
    private let leaseSeconds: Int
    private let logger: Logger

    /// How long an operation is kept that no server finishes, in seconds: 7 days.
    private static let keptSeconds = 7 * 86_400
    /// How often servers begin to finish an operation at most.
    private static let mostAttempts = 10

    /// - Parameters:
    ///   - memory: has the memories.
    ///   - documents: keeps the operations.
    ///   - leaseSeconds: for how long an operation is left to the server that has begun its last
    ///     batch; at least 1. Default: 15.
    ///   - logger: gets what was finished.
    public init(memory: LongTermMemory, documents: any DocumentStore, leaseSeconds: Int = 15, logger: Logger) {
        self.memory = memory
        self.documents = documents
        turns = Turns(documents: documents)
        self.leaseSeconds = max(1, leaseSeconds)
        self.logger = logger
    }

    // MARK: Calls

    /// As ``LongTermMemory/forget(_:in:batch:isDryRun:for:beforeBatch:)``.
    ///
    /// - Parameter filter: has conditions of equality on namespace, user and session only.
    public func forget(
        _ policy: ForgettingPolicy, in filter: MemoryFilter, batch: Int, isDryRun: Bool, for caller: Caller
    ) async throws -> ForgettingOutcome {
        try await run(.forgetting(policy, filter, batch: batch), for: caller) { mark in
            try await memory.forget(
                policy, in: filter, batch: batch, isDryRun: isDryRun, for: caller, beforeBatch: mark)
        }
    }

    /// As ``LongTermMemory/undo(operation:isForced:for:beforeBatch:)``.
    public func undo(operation: String, isForced: Bool, for caller: Caller) async throws -> UndoOutcome {
        try await run(.undo(of: operation, isForced: isForced), for: caller) { mark in
            try await memory.undo(operation: operation, isForced: isForced, for: caller, beforeBatch: mark)
        }
    }

    /// As ``LongTermMemory/compact(_:for:beforeBatch:)``.
    ///
    /// - Parameter filter: has conditions of equality on namespace, user and session only.
    func compact(_ filter: MemoryFilter, for caller: Caller) async throws -> CompactionOutcome {
        try await run(.compaction(filter), for: caller) { mark in
            try await memory.compact(filter, for: caller, beforeBatch: mark)
        }
    }

    private func run<Outcome>(
        _ work: OpenOperation.Work, for caller: Caller,
        _ call: (_ beforeBatch: @Sendable () async throws -> Void) async throws -> Outcome
    ) async throws -> Outcome {
        let operation = OpenOperation(operation: ULID.make(), work: work, caller: caller)
        let mark = OpenMark(leaseSeconds: leaseSeconds) { try await store(operation) }
        return try await working(on: operation, mark, call)
    }

    /// Runs a call as the operation, and removes what is kept of it once it is over.
    private func working<Outcome>(
        on operation: OpenOperation, _ mark: OpenMark,
        _ call: (_ beforeBatch: @Sendable () async throws -> Void) async throws -> Outcome
    ) async throws -> Outcome {
        let origin = WriteOrigin(operation: operation.operation, caller: operation.caller.subject)
        let outcome: Outcome
        do {
            outcome = try await WriteOrigin.$current.withValue(origin) { try await call { try await mark.renew() } }
        } catch {
            // Of anything else it is not known how far it has come: a server finishes it.
            if await mark.isSet, let error = error as? MemoryError, error.isRefusal {
                await removeIfPossible(operation)
            }
            throw error
        }
        if await mark.isSet { await removeIfPossible(operation) }
        return outcome
    }

    // MARK: What is kept

    private func store(_ operation: OpenOperation) async throws {
        try await AccessScope.everything.limiting {
            // First, so that no server sees the operation without it.
            try await turns.renew(Self.lease(operation), seconds: leaseSeconds)
            _ = try await documents.write(
                operation.document, expecting: .anything, keptFor: Self.keptSeconds)
        }
    }

    private func removeIfPossible(_ operation: OpenOperation) async {
        do {
            try await remove(operation)
        } catch {
            logger.warning(
                "an operation that is over could not be removed; it will be looked at again",
                metadata: ["operation": "\(operation.operation)", "error": "\(error)"])
        }
    }

    private func remove(_ operation: OpenOperation) async throws {
        try await AccessScope.everything.limiting {
            _ = try await documents.delete(OpenOperation.key(operation.operation), revision: nil)
        }
    }

    private static func lease(_ operation: OpenOperation) -> String { "operation:\(operation.operation)" }

    // MARK: Finishing

    /// What finishes operations that their servers have left.
    public var periodic: PeriodicWork.Entry {
        PeriodicWork.Entry("finishing of operations") { try await OwnLook.run { try await finish() } }
    }

    /// Finishes the operations that no server works on.
    func finish() async throws {
        let stored = try await AccessScope.everything.limiting {
            try await documents.documents(
                .operation, of: "", within: .everything, page: PageRequest(limit: Self.operationsPerLook)
            ).items
        }
        for (_, operation) in stored.readable(OpenOperation.init, logger: logger) {
            guard try await turns.take(Self.lease(operation), every: leaseSeconds) else { continue }
            do {
                // Meanwhile its own server may have done it.
                guard var current = try await self.stored(operation.operation) else { continue }
                current.attempts += 1
                try await finish(current)
            } catch let error as MemoryError {
                logger.warning(
                    "an operation could not be finished, and will be tried again",
                    metadata: ["operation": "\(operation.operation)", "error": "\(error)"])
            }
        }
    }

    private static let operationsPerLook = 100

    private func stored(_ id: String) async throws -> OpenOperation? {
        try await AccessScope.everything.limiting {
            try await documents.document(OpenOperation.key(id)).map { try OpenOperation($0.document) }
        }
    }

    private func finish(_ operation: OpenOperation) async throws {
        var logger = logger
        logger[metadataKey: "operation"] = "\(operation.operation)"
        guard operation.attempts <= Self.mostAttempts else {
            logger.error("an operation was given up; its earlier batches stay, and it can be undone")
            return try await remove(operation)
        }
        guard try await hasBegun(operation) else { return try await remove(operation) }
        try await store(operation)
        let caller = operation.caller.deriving
        do {
            let mark = OpenMark(isSet: true, leaseSeconds: leaseSeconds) { try await store(operation) }
            try await working(on: operation, mark) { mark in
                switch operation.work {
                case .compaction(let filter):
                    _ = try await memory.compact(filter, for: caller, beforeBatch: mark)
                case .forgetting(let policy, let filter, let batch):
                    _ = try await memory.forget(
                        policy, in: filter, batch: batch, isDryRun: false, for: caller, beforeBatch: mark)
                case .undo(let undone, let isForced):
                    _ = try await memory.undo(
                        operation: undone, isForced: isForced, for: caller, beforeBatch: mark)
                }
            }
            logger.notice("finished an operation that its server had left")
        } catch let error as MemoryError where error.isRefusal {
            logger.warning(
                "an operation could not be finished; its earlier batches stay", metadata: ["error": "\(error)"])
        }
    }

    /// Whether the operation has written anything. Without events it is not known, and then it is
    /// finished.
    private func hasBegun(_ operation: OpenOperation) async throws -> Bool {
        let memories = memory.memories.scoped(to: .unrestricted)
        guard memories.makesEvents else { return true }
        return try await !memories.events(ofOperation: operation.operation, after: 0, limit: 1).isEmpty
    }
}

extension MemoryError {
    /// Whether the store has decided, so that the same call would be refused again.
    fileprivate var isRefusal: Bool { isFinal || code == .conflict || code == .notFound || code == .preconditionFailed }
}
