import AgentMemory

/// Compares whole pages and stores, record by record.
extension HistoryReplay {
    func compare(_ got: Page<MemoryRecord>, _ expected: Page<MemoryRecord>, at position: Position) throws {
        try position.expect("ids of the list", ids: got.items.map(\.id), expected.items.map(\.id))
        try position.expect("total of the list", got.total, expected.total)
        try position.expect("next_offset of the list", got.nextOffset, expected.nextOffset)
        for (record, expected) in zip(got.items, expected.items) {
            try compare(record, expected, at: position)
        }
    }

    func compare(_ got: MemoryRecord, _ expected: MemoryRecord, at position: Position) throws {
        guard let difference = RecordComparison.difference(got, expected) else { return }
        throw position.differs(
            "\(difference.field) of the record \(expected.id.debugDescription)", expected: difference.expected,
            got: difference.got)
    }

    func searchInPages(_ query: SearchQuery, at position: Position) async throws {
        func page(_ request: PageRequest) throws -> SearchQuery {
            try SearchQuery(text: query.text, ranking: query.ranking, filter: query.filter, page: request)
        }
        let large = try page(PageRequest(limit: PageRequest.maximumLimit))
        guard let (got, whole) = try await bothSearch(large, at: position) else { return }
        let comparison = try await RankedComparison(large, whole: whole, oracle: oracle, at: position)
        try comparison.check(got)
        guard !comparison.isUndecided else { return }
        let joined = try await joined(query.page.limit, at: position, id: \.record.id) { request in
            let answer = try await tested.database.search(try page(request))
            try position.expect("total of the page at \(request.offset)", answer.total, whole.total)
            return answer
        }
        // The clock advances from page to page, which re-orders nearly equal records.
        if case .semanticWithRecency(let weights) = query.ranking, weights.recency != 0 { return }
        try position.expect("ids of the joined pages", ids: joined.map(\.record.id), got.items.map(\.record.id))
    }

    /// The pages from the first to the last, following `next_offset`.
    func joined<Item: Sendable>(
        _ limit: Int, at position: Position, id: (Item) -> String, _ page: (PageRequest) async throws -> Page<Item>
    ) async throws -> [Item] {
        var items: [Item] = []
        var offset: Int? = 0
        while let from = offset {
            let answer: Page<Item>
            do {
                answer = try await page(PageRequest(limit: limit, offset: from))
            } catch let error as MemoryError {
                throw position.differs("the page at \(from)", expected: "an answer", got: "\(error)")
            }
            items += answer.items
            if let next = answer.nextOffset {
                try position.expect("next_offset of the page at \(from)", next, from + limit)
                guard !answer.items.isEmpty else {
                    throw position.differs("the page at \(from)", expected: "items, or no next_offset", got: "\(next)")
                }
            }
            offset = answer.nextOffset
        }
        return items
    }

    // MARK: Beginning and end

    /// Removes the records of both databases, and expects that none remain.
    func empty() async throws {
        let position = Position(step: 0)
        let everything = ListQuery(page: try PageRequest(limit: PageRequest.maximumLimit))
        _ = try await oracle.database.delete(try await oracle.database.list(everything).items.map(\.id))
        do {
            let left = try await tested.database.list(everything).items.map(\.id)
            guard !left.isEmpty else { return }
            try position.expect("records deleted", try await tested.database.delete(left), left.count)
            try position.expect("count after everything was deleted", try await tested.database.count(.everything), 0)
            try position.expect(
                "ids listed after everything was deleted",
                ids: try await tested.database.list(everything).items.map(\.id), [])
            let search = try SearchQuery(
                text: "[1] anything", ranking: .semantic(distanceThreshold: nil), page: everything.page)
            try position.expect(
                "ids found after everything was deleted",
                ids: try await tested.database.search(search).items.map(\.record.id), [])
        } catch let error as MemoryError {
            throw position.differs("emptying the database", expected: "an answer", got: "\(error)")
        }
    }

    func compareEverything(at position: Position) async throws {
        let everything = ListQuery(page: try PageRequest(limit: PageRequest.maximumLimit))
        guard let (got, expected) = try await both("list", at: position, body: { try await $0.list(everything) }) else {
            return
        }
        try compare(got, expected, at: position)
        guard let counts = try await both("count", at: position, body: { try await $0.count(.everything) }) else {
            return
        }
        try position.expect("count of everything", counts.got, counts.expected)
    }
}
