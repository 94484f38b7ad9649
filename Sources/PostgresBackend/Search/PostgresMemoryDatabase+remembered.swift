import AgentMemory
import PostgresDriver

/// Searches of one user whose codes this server remembers. The server compares the codes; the store
/// measures the vectors that they choose, and says whether the codes were still its own.
extension PostgresMemoryDatabase {
    /// Beyond so many changes, or bytes of their numbers, codes are read again rather than changed.
    private static let mostChanges = (rows: 1000, bytes: 1 << 20)
    /// How often codes are brought up to date within one search.
    private static let attempts = 3
    /// Codes of more words are compared outside of the event loop, which that would hold up: 2 MB
    /// take 0.3 ms.
    private static let wordsOnLoop = 1 << 18

    /// A filter whose codes may be remembered.
    struct RememberedFilter {
        let filter: MemoryFilter
        let key: RememberedCodes.Key
        let sql: OwnerChangesSQL
    }

    /// - Parameter filter: one that codes can apply (``FilterSQL/isOfOneUser(_:)``).
    /// - Returns: `nil` if the codes of this filter are not remembered.
    func remembered(_ filter: MemoryFilter) -> RememberedFilter? {
        guard rememberedCodes.limit > 0, let user = filter.tags[.userID]?.all.first else { return nil }
        let sql = OwnerChangesSQL(space: space, user: user)
        let reading = sql.codes(of: filter)
        guard RecentCounts.isSmall(reading) else { return nil }
        return RememberedFilter(
            filter: filter, key: RememberedCodes.Key(reading: reading, limit: database.limit), sql: sql)
    }

    /// Notes that the store compared codes itself, and how many.
    func noteComparison(_ remembered: RememberedFilter, matches: Int) {
        guard rememberedCodes.permits(records: matches, dimensions: space.dimensions) else { return }
        rememberedCodes.noteComparison(for: remembered.key)
    }

    /// Sends a statement of the plan with remembered codes.
    ///
    /// - Parameters:
    ///   - candidates: the depth's constant, given the number of matches.
    ///   - statement: that of a plan, given the number of matches.
    /// - Returns: `nil` if the server has no codes of this filter, or the store must choose the
    ///   records.
    func findRemembered(
        _ remembered: RememberedFilter, _ vector: [Float], _ deadline: ContinuousClock.Instant,
        candidates: (Int) -> Int?, statement: (SearchPlan, Int) -> PostgresStatement
    ) async throws -> (PostgresResult, SearchPlan, matches: Int)? {
        guard var codes = try await rememberedCodes(of: remembered, deadline) else { return nil }
        let code = OwnerCodes.pack(VectorCodes.code(of: vector))
        for _ in 0..<Self.attempts {
            guard let candidates = candidates(codes.count), codes.count > max(SearchDepth.exactZone, candidates)
            else { return nil }
            let measured = SearchPlan.measured(of: codes.count, candidates: candidates)
            let chosen = await mostSimilar(measured, in: codes, to: code)
            let plan = SearchPlan.remembered(
                RememberedChoice(
                    numbers: chosen.map { codes.numbers[$0] }, ids: chosen.map { codes.ids[$0] }, stamps: codes.stamps,
                    user: remembered.sql.user))
            let result = try await read(statement(plan, codes.count), deadline: deadline)
            let found = try result[0].int("extra")
            if found == chosen.count, try Self.hasOnlyRecords(result, of: remembered.filter) {
                return (result, plan, codes.count)
            }
            // Codes do not tell vectors apart that have one distance.
            guard found >= 0, let newer = try await broughtUpToDate(codes, remembered, deadline) else { return nil }
            codes = newer
        }
        return nil
    }

    /// Whether a filter by user and namespace matches each record of a result. The stamps say so
    /// unless the store's triggers were disabled; a record of another user is not returned even
    /// then.
    private static func hasOnlyRecords(_ result: PostgresResult, of filter: MemoryFilter) throws -> Bool {
        let (id, user, namespace) = (
            try result.column("id"), try result.column("user_id"), try result.column("namespace")
        )
        return try result.rows.allSatisfy { row in
            guard !row.isNull(id) else { return true }
            let (user, namespace) = (try row.optionalText(user), try row.optionalText(namespace))
            return filter.scope.contains(namespace: namespace, userID: user)
                && filter.tags.allSatisfy { $1.matches(($0 == .userID ? user : namespace).map { [$0] } ?? []) }
        }
    }

    private func mostSimilar(_ limit: Int, in codes: OwnerCodes, to code: [UInt64]) async -> [Int] {
        guard codes.count * codes.width > Self.wordsOnLoop else { return codes.mostSimilar(limit, to: code) }
        return await withTaskExecutorPreference(globalConcurrentExecutor) { codes.mostSimilar(limit, to: code) }
    }

    // MARK: Reading codes

    /// The codes of a filter; read now if they have become worth it.
    private func rememberedCodes(
        of remembered: RememberedFilter, _ deadline: ContinuousClock.Instant
    ) async throws -> OwnerCodes? {
        if let codes = rememberedCodes.codes(for: remembered.key) { return codes }
        guard rememberedCodes.beginsLoading(remembered.key) else { return nil }
        var codes: OwnerCodes?
        defer {
            if let codes {
                rememberedCodes.hold(codes, for: remembered.key)
            } else {
                rememberedCodes.rest(remembered.key)
            }
        }
        // Changes that come between the two statements are among those that the first did not show.
        let results = try await read([remembered.sql.stamps, remembered.key.reading], deadline: deadline)
        let stamps = ChangeStamps(try results[0].rows.map { try $0.int8(0) })
        var entries: [OwnerCodes.Entry] = []
        entries.reserveCapacity(results[1].count)
        for row in results[1].rows {
            guard let entry = try entry(row, from: 0) else { return nil }
            entries.append(entry)
        }
        guard rememberedCodes.permits(records: entries.count, dimensions: space.dimensions) else { return nil }
        codes = OwnerCodes(stamps: stamps, dimensions: space.dimensions, entries)
        return codes
    }

    /// Reads number, id and code, which begin at a column; `nil` if the code is null or has other
    /// dimensions.
    private func entry(_ row: PostgresRow, from column: Int) throws -> OwnerCodes.Entry? {
        guard !row.isNull(column + 2) else { return nil }
        return OwnerCodes.Entry(
            number: try row.int8(column), id: try row.text(column + 1), code: try row.rawBytes(column + 2),
            dimensions: space.dimensions)
    }

    /// Applies what has changed since codes were read.
    ///
    /// - Returns: `nil` if they cannot be brought up to date: nothing has changed, so that a vector
    ///   is missing; a code is missing; or the changes since then were folded.
    private func broughtUpToDate(
        _ codes: OwnerCodes, _ remembered: RememberedFilter, _ deadline: ContinuousClock.Instant
    ) async throws -> OwnerCodes? {
        let result = try await read(
            remembered.sql.changes(since: codes.stamps, remembered.filter), deadline: deadline)
        var stamps = ChangeStamps([])
        var changed: Set<Int64> = []
        var entries: [Int64: OwnerCodes.Entry] = [:]
        for row in result.rows {
            stamps.insert(try row.int8(0))
            if try row.bool(1) {
                rememberedCodes.drop(remembered.key)
                return nil
            }
            guard !row.isNull(2) else { continue }
            let number = try row.int8(2)
            changed.insert(number)
            guard !row.isNull(3) else { continue }
            guard let entry = try entry(row, from: 2) else {
                rememberedCodes.rest(remembered.key)
                return nil
            }
            entries[number] = entry
        }
        guard codes.stamps.values.isSubset(of: stamps.values) else {
            rememberedCodes.drop(remembered.key)
            return nil
        }
        guard stamps != codes.stamps else {
            rememberedCodes.rest(remembered.key)
            return nil
        }
        let newer = codes.replacing(changed, with: entries.values, stamps: stamps)
        guard rememberedCodes.permits(records: newer.count, dimensions: space.dimensions) else {
            rememberedCodes.rest(remembered.key)
            return nil
        }
        rememberedCodes.hold(newer, for: remembered.key)
        return newer
    }

    /// Forgets the codes of users who no longer search.
    func dropUnusedCodes() {
        rememberedCodes.drop(unusedSince: .now - RememberedCodes.keeping)
    }

    // MARK: Keeping the changes few

    /// Puts one change in the place of all, if there are many.
    func foldOwnerChanges() async throws {
        // On the nodes of a cluster no trigger writes the changes.
        guard layout == nil else { return }
        let state = try await database.query(
            OwnerChangesSQL.state, retry: .repeatable, deadline: database.deadline
        ).singleRow()
        guard try state.int(0) > Self.mostChanges.rows || state.int(1) > Self.mostChanges.bytes else { return }
        try await forgetOwnerChanges()
    }

    /// Puts one change in the place of all.
    func forgetOwnerChanges() async throws {
        _ = try await database.query(
            OwnerChangesSQL.fold, retry: .onlyIfNotExecuted, deadline: database.deadline)
    }
}
