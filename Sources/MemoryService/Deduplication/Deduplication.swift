public import AgentMemory
public import Logging
public import Prompts

/// Unites memories that state the same fact, and removes those that a later one contradicts, as a
/// language model judges them.
///
/// Only memories of the same namespace, user, session and type are compared, the absence of a value
/// being a value of its own. What the model decides is one write on the condition that none of the
/// memories has changed since they were read: it is done once, or not at all.
public struct Deduplication: Sendable {
    public struct Configuration: Sendable {
        /// The largest distance of two memories that may state the same fact. Default: 0.35.
        public var threshold = 0.35
        /// For one call of the model with all its attempts. Default: 120 s.
        public var timeLimit: Duration = .seconds(120)

        public init() {}
    }

    private let questions: ModelQuestions
    private let memory: LongTermMemory
    private let documents: any DocumentStore
    private let configuration: Configuration
    private let logger: Logger
    private let now: @Sendable () -> Timestamp

    /// Memories that are compared with one at most, as in the reference.
    static let mostNeighbors = 10
    /// How often a group is looked at again that was changed while the model worked.
    private static let attempts = 3
    /// How long it is known that a group was compared, in seconds.
    private static let keptSeconds = 90 * 86_400
    /// Failures of the model after which it is not asked about a group for a while: of calls, and
    /// answers that cannot be used, each of which counts as several.
    private static let mostFailures = 12
    private static let failuresOfAnswer = 4
    /// How long failures are counted after the last one, in seconds.
    private static let failureSeconds = 86_400
    /// Hits that are looked through for memories without a namespace, user or session.
    private static let mostHits = 500

    /// - Parameters:
    ///   - model: the one that judges.
    ///   - prompts: what it is asked.
    ///   - memory: has the memories; its backend keeps a history.
    ///   - documents: keeps which groups were compared.
    ///   - configuration: bounds.
    ///   - logger: gets what was left as it is.
    ///   - now: the clock of dates.
    public init(
        by model: any LanguageModel, prompts: PromptSet, memory: LongTermMemory, documents: any DocumentStore,
        configuration: Configuration = Configuration(), logger: Logger,
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        questions = ModelQuestions(model: model, prompts: prompts, timeLimit: configuration.timeLimit)
        self.memory = memory
        self.documents = documents
        self.configuration = configuration
        self.logger = logger
        self.now = now
    }

    /// Whether a memory can be compared with others: not the messages of conversations, not the
    /// summaries of sessions, and no text that is far longer than a fact.
    static func compares(_ record: MemoryRecord) -> Bool {
        record.memoryType != .message && record.extractionStrategy != MemoryStrategy.Name.summary.rawValue
            && record.text.utf8.count <= ExtractedMemory.longestText
    }

    /// Compares a memory with those near to it, and does what the model decides. A memory that does
    /// not exist any more is left alone.
    ///
    /// - Throws: ``ModelQuestions/Pause``, and ``MemoryError``: of the stores, with code
    ///   `languageModelRefused`, and with ``MemoryError/concernsPrompt``.
    func run(_ id: String, for caller: Caller) async throws {
        let memories = memory.memories.scoped(to: caller)
        // What is removed must be in a history.
        guard memories.makesEvents else { return }
        for _ in 0..<Self.attempts {
            let group: Group
            switch try await self.group(around: id, memories) {
            case .nothing: return
            case .changed: continue
            case .group(let found): group = found
            }
            let key = group.key
            let noted = try await documents.document(key)
            let failures = noted.map { $0.document.body["failures"]?.intValue ?? Self.mostFailures } ?? 0
            guard failures < Self.mostFailures else { return }
            let found: [Comparison.Finding]?
            do {
                found = try await findings(group)
            } catch let error as MemoryError where error.concernsPrompt {
                try await note(key, of: group, failures: failures + 1)
                throw error
            }
            // A later compaction asks again.
            guard let findings = found else {
                return try await note(key, of: group, failures: failures + Self.failuresOfAnswer)
            }
            var isDone = true
            for finding in findings where try await !apply(finding, to: group, memories, caller) { isDone = false }
            if isDone { return try await note(key, of: group) }
        }
        logger.info("memories that were changed meanwhile are not compared")
    }

    // MARK: The group

    /// Memories that are all near to one another, as they were read together.
    private struct Group {
        /// The oldest first.
        let records: [MemoryRecord]
        let latestEvents: [ExactString: Int]

        /// The same for the same texts under the same ids.
        var key: DocumentKey {
            let parts = records.flatMap { [$0.id, $0.memoryHash, $0.pinned ? "pinned" : ""] }
            return DocumentKey(.comparison, Fingerprint.of(parts, length: 40))
        }
    }

    /// What is found around a memory.
    private enum Finding {
        case nothing
        /// A memory was changed or removed between two reads.
        case changed
        case group(Group)
    }

    /// The memory with those near to it.
    ///
    /// As in the reference each of them must be near to all others, and to none outside, so that no
    /// chain of similar texts ends in one memory; a group of the largest size may have others near
    /// to it. Where that does not hold, two that are the nearest to each other are compared.
    private func group(around id: String, _ memories: ScopedMemories) async throws -> Finding {
        guard let anchor = try await memories.record(id: id), Self.compares(anchor),
            questions.reaches(anchor.namespace)
        else { return .nothing }
        let near = try await neighbors(of: anchor, memories)
        guard let nearest = near.first else { return .nothing }
        let members = Set(([anchor] + near).map { ExactString($0.id) })
        let isFull = near.count == Self.mostNeighbors
        var isCohesive = true
        var isMutual = false
        for (position, neighbor) in near.enumerated() where isCohesive || position == 0 {
            let others = try await neighbors(of: neighbor, memories).map { ExactString($0.id) }
            let known = Set(others).union([ExactString(neighbor.id)])
            isCohesive = isCohesive && known.isSuperset(of: members) && (isFull || known.isSubset(of: members))
            if position == 0 { isMutual = others.first == ExactString(anchor.id) }
        }
        if isCohesive { return try await read([anchor] + near, memories) }
        return isMutual ? try await read([anchor, nearest], memories) : .nothing
    }

    /// The memories as they are now, with the events that tell whether they change.
    private func read(_ records: [MemoryRecord], _ memories: ScopedMemories) async throws -> Finding {
        let ids = records.map(\.id)
        let latest = try await memories.latestEvents(of: ids)
        let current = try await memories.stored(.id, ids).sorted { a, b in
            a.createdAt != b.createdAt ? a.createdAt < b.createdAt : ExactString(a.id) < ExactString(b.id)
        }
        let hashes = Dictionary(records.map { (ExactString($0.id), $0.memoryHash) }) { first, _ in first }
        guard current.count == records.count,
            current.allSatisfy({
                $0.memoryHash == hashes[ExactString($0.id)] && Self.compares($0) && questions.reaches($0.namespace)
            })
        else { return .changed }
        return .group(Group(records: current, latestEvents: latest))
    }

    /// The memories near to one, the nearest first.
    private func neighbors(of record: MemoryRecord, _ memories: ScopedMemories) async throws -> [MemoryRecord] {
        var tags = [TagField.memoryType: try TagCondition(field: .memoryType, eq: record.memoryType.rawValue)]
        for (field, value) in [
            (TagField.namespace, record.namespace), (.userID, record.userID), (.sessionID, record.sessionID),
        ] {
            if let value { tags[field] = try TagCondition(field: field, eq: value) }
        }
        let query = try SearchQuery(
            text: record.text, ranking: .semantic(distanceThreshold: configuration.threshold),
            filter: MemoryFilter(tags: tags), page: PageRequest(limit: 50))
        var found: [MemoryRecord] = []
        var offset: Int? = 0
        // No filter says that a value is absent, so there may be many hits of others.
        while let from = offset, from < Self.mostHits {
            let page = try await memories.search(try query.paged(by: PageRequest(limit: 50, offset: from)))
            found += page.items.map(\.record).filter {
                ExactString($0.id) != ExactString(record.id) && $0.isComparable(with: record) && Self.compares($0)
            }
            if found.count >= Self.mostNeighbors { break }
            offset = page.items.isEmpty ? nil : page.nextOffset
        }
        return Array(found.prefix(Self.mostNeighbors))
    }

    // MARK: The model

    /// What the model says; `nil` if its answer cannot be used.
    private func findings(_ group: Group) async throws -> [Comparison.Finding]? {
        let prompt = questions.prompts[.deduplication].filled(with: [
            "memories": Comparison.lines(group.records).quotedLines
        ])
        switch try await questions.items(
            prompt, for: .deduplication, schema: Comparison.schema, list: "groups", mark: "relation",
            quoting: group.records.map(\.text), namespace: group.records[0].namespace)
        {
        case .read(let items): return Comparison(items, of: group.records).findings
        case .cut, .unusable:
            logger.info("the language model's comparison of memories cannot be used, and they stay as they are")
            return nil
        }
    }

    /// Notes that the model was asked, so that memories that differ, and those that a user has
    /// separated again, are not compared once more.
    ///
    /// - Parameter failures: so often it had no answer so far; `nil` if it has one.
    private func note(_ key: DocumentKey, of group: Group, failures: Int? = nil) async throws {
        let owner = group.records[0]
        let body: JSONObject = failures.map { ["failures": .int($0)] } ?? [:]
        _ = try await documents.write(
            Document(key, namespace: owner.namespace, userID: owner.userID, body: body), expecting: .anything,
            keptFor: failures == nil ? Self.keptSeconds : Self.failureSeconds)
    }

    // MARK: The write

    /// - Returns: `false` if one of the memories was changed since it was read; then nothing was
    ///   written.
    private func apply(
        _ finding: Comparison.Finding, to group: Group, _ memories: ScopedMemories, _ caller: Caller
    ) async throws -> Bool {
        guard let change = try Self.change(finding, group.records, at: now()) else { return true }
        let origin = WriteOrigin(
            caller: caller.subject, kind: .merged, reason: change.reason, successors: change.successors)
        let rewrites = change.records.map { id, record in
            RecordRewrite(id: id, record: record, latestEvent: group.latestEvents[ExactString(id)] ?? 0)
        }
        return try await WriteOrigin.$current.withValue(origin) { try await memories.rewrite(rewrites).isEmpty }
    }

    private struct Change {
        let reason: String
        let records: [(id: String, record: MemoryRecord?)]
        let successors: [ExactString: String]
    }

    /// - Parameter records: the oldest first.
    /// - Returns: `nil` if pinned memories, or dates of expiry, leave nothing to do.
    private static func change(
        _ finding: Comparison.Finding, _ records: [MemoryRecord], at now: Timestamp
    ) throws -> Change? {
        switch finding {
        case .same(let positions, let text):
            let same = positions.map { records[$0] }
            // A pinned memory is neither removed nor reworded.
            let survivor = same.first(where: \.pinned) ?? same[0]
            let others = same.filter { !$0.pinned && ExactString($0.id) != ExactString(survivor.id) }
            guard !others.isEmpty else { return nil }
            let union = MemoryUnion(of: survivor, with: others, text: survivor.pinned ? nil : text)
            return Change(reason: "same fact", records: try union.records(at: now), successors: union.successors)
        case .update(let positions, let position):
            let current = records[position]
            let superseded = positions.map { records[$0] }.filter { !$0.pinned && !current.expires(before: $0) }
            guard !superseded.isEmpty else { return nil }
            return Change(
                reason: "superseded", records: [(current.id, current)] + superseded.map { ($0.id, nil) },
                successors: Dictionary(superseded.map { (ExactString($0.id), current.id) }) { first, _ in first })
        }
    }
}

extension MemoryRecord {
    fileprivate func isComparable(with other: MemoryRecord) -> Bool {
        memoryType == other.memoryType && sharesScope(with: other)
    }

    fileprivate func expires(before other: MemoryRecord) -> Bool {
        guard let end = expiresAt else { return false }
        return other.expiresAt.map { end < $0 } ?? true
    }
}
