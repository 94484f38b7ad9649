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

    /// - Returns: `nil` if the codes of this filter are not remembered.
    func remembered(_ filter: MemoryFilter) -> RememberedFilter? {
        guard rememberedCodes.limit > 0, space.isCoded, FilterSQL.isOfOneUser(filter),
            let user = filter.tags[.userID]?.all.first
        else { return nil }
        let sql = OwnerChangesSQL(space: space, user: user)
        let reading = sql.codes(of: filter)
        guard RecentCounts.isSmall(reading) else { return nil }
        return RememberedFilter(
            filter: filter, key: RememberedCodes.Key(reading: reading, limit: database.limit), sql: sql)
    }

    /// Notes that the store compared codes itself, and how many.
    func noteComparison(_ filter: MemoryFilter, matches: Int) {
        guard rememberedCodes.permits(records: matches, dimensions: space.dimensions),
            let remembered = remembered(filter)
        else { return }
        rememberedCodes.noteComparison(for: remembered.key)
    }

    /// A semantic search without a threshold, by remembered codes.
    ///
    /// - Parameter candidates: the depth's constant.
    /// - Returns: `nil` if there are no such codes, or they do not suffice.
    func searchRemembered(
        _ query: SearchQuery, _ vector: [Float], candidates: Int?, _ deadline: ContinuousClock.Instant
    ) async throws -> Page<SearchHit>? {
        guard let candidates, let remembered = remembered(query.filter),
            var codes = try await rememberedCodes(of: remembered, deadline)
        else { return nil }
        let code = OwnerCodes.pack(VectorCodes.code(of: vector))
        for _ in 0..<Self.attempts {
            guard codes.count > max(SearchDepth.exactZone, candidates) else { return nil }
            let measured = SearchPlan.measured(of: codes.count, candidates: candidates)
            let chosen = await mostSimilar(measured, in: codes, to: code)
            let result = try await read(
                remembered.sql.distances(
                    of: chosen.map { codes.numbers[$0] }, to: vector, unlessChangedSince: codes.stamps),
                deadline: deadline)
            if result.count == chosen.count {
                guard let nearest = try Nearest(result, chosen, of: codes), !nearest.hasManyEquals else { return nil }
                let page = nearest.hits.dropFirst(query.page.offset).prefix(query.page.limit)
                if let hits = try await hits(page, remembered, codes, deadline) {
                    return Page(items: hits, total: codes.count, request: query.page)
                }
            }
            guard let newer = try await broughtUpToDate(codes, remembered, deadline) else { return nil }
            codes = newer
        }
        return nil
    }

    /// What was measured, nearest first.
    private struct Nearest {
        let hits: [(position: Int, distance: Double)]
        /// Whether more than ``SearchSQL/trustedEquals`` have one distance, which codes do not
        /// tell apart.
        let hasManyEquals: Bool

        /// - Parameters:
        ///   - result: that of ``OwnerChangesSQL/distances(of:to:unlessChangedSince:)``.
        ///   - chosen: the positions of what was measured, ascending.
        /// - Returns: `nil` if a distance is not a number.
        init?(_ result: PostgresResult, _ chosen: [Int], of codes: OwnerCodes) throws {
            var hits: [(position: Int, distance: Double)] = []
            hits.reserveCapacity(result.count)
            for row in result.rows {
                let distance = try row.float8(1)
                guard let position = codes.position(of: try row.int8(0), among: chosen), !distance.isNaN else {
                    return nil
                }
                hits.append((position, distance))
            }
            hits.sort { a, b in
                a.distance != b.distance
                    ? a.distance < b.distance
                    : codes.ids[a.position].utf8.lexicographicallyPrecedes(codes.ids[b.position].utf8)
            }
            var equals = 0
            var most = 0
            for position in hits.indices {
                equals = position > 0 && hits[position].distance == hits[position - 1].distance ? equals + 1 : 1
                most = max(most, equals)
            }
            self.hits = hits
            hasManyEquals = most > SearchSQL.trustedEquals
        }
    }

    private func mostSimilar(_ limit: Int, in codes: OwnerCodes, to code: [UInt64]) async -> [Int] {
        guard codes.count * codes.width > Self.wordsOnLoop else { return codes.mostSimilar(limit, to: code) }
        return await withTaskExecutorPreference(globalConcurrentExecutor) { codes.mostSimilar(limit, to: code) }
    }

    /// The records of a page; `nil` if there were changes since the codes were read.
    private func hits(
        _ page: ArraySlice<(position: Int, distance: Double)>, _ remembered: RememberedFilter,
        _ codes: OwnerCodes, _ deadline: ContinuousClock.Instant
    ) async throws -> [SearchHit]? {
        guard !page.isEmpty else { return [] }
        let result = try await read(
            remembered.sql.records(
                page.map { codes.numbers[$0.position] }, remembered.filter, unlessChangedSince: codes.stamps),
            deadline: deadline)
        guard result.count == page.count else { return nil }
        let columns = try RecordColumns(of: result)
        let position = try result.column("position")
        var records: [Int64: MemoryRecord] = [:]
        for row in result.rows {
            var source = RecordRow(row: row, columns: columns)
            records[try row.int8(position)] = try MemoryRecord(reading: &source)
        }
        return page.compactMap { hit in
            records[codes.numbers[hit.position]].map { SearchHit($0, distance: hit.distance) }
        }
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
        let stamps = ChangeStamps(Set(try results[0].rows.map { try $0.int8(0) }))
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

    /// Number, id and code from a column on; `nil` if there is no code of this server's dimensions.
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
