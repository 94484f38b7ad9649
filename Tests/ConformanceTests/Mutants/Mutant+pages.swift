import AgentMemory

extension Mutant {
    static let pageMutants = [
        Mutant("total is the length of the page", caughtBy: "page/P2-total", histories: .filters) {
            $0.answer { AlteredPage(total: $2, nextOffset: next($0, $1), count: $2) }
        },
        Mutant("total is at most limit + offset", caughtBy: "page/P2-total", histories: .filters) {
            $0.answer { AlteredPage(total: min($1, $0.end), nextOffset: next($0, $1), count: $2) }
        },
        Mutant("next_offset is always null", caughtBy: "page/P3-next-offset", histories: .filters) {
            $0.answer { AlteredPage(total: $1, nextOffset: nil, count: $2) }
        },
        Mutant("next_offset is there after the last page too", caughtBy: "page/P3-next-offset", histories: .filters) {
            $0.answer { AlteredPage(total: $1, nextOffset: $2 > 0 ? $0.end : nil, count: $2) }
        },
        Mutant("the last page lacks its last record", caughtBy: "page/P2-total", histories: .filters) {
            $0.answer { request, total, count in
                let isLast = request.offset > 0 && count > 0 && request.end >= total
                return AlteredPage(total: total, nextOffset: next(request, total), count: isLast ? count - 1 : count)
            }
        },
        Mutant("a list has no order among equal dates", caughtBy: "page/P1-order", histories: .filters) { database in
            let original = database.original
            database.listing = { query in
                let records = try await AlteredDatabase.everything(in: original).filter(query.filter.matches)
                let ordered = records.sorted {
                    $0.createdAt != $1.createdAt ? $0.createdAt > $1.createdAt : ExactString($1.id) < ExactString($0.id)
                }
                return AlteredDatabase.page(ordered, query.page)
            }
        },
        Mutant("a list is ordered by dates in whole seconds", caughtBy: "page/P1-order", histories: .filters) {
            database in
            let original = database.original
            database.listing = { query in
                func second(_ record: MemoryRecord) -> Int64 { record.createdAt.microseconds / 1_000_000 }
                let records = try await AlteredDatabase.everything(in: original).filter(query.filter.matches)
                let ordered = records.sorted {
                    second($0) != second($1) ? second($0) > second($1) : ExactString($0.id) < ExactString($1.id)
                }
                return AlteredDatabase.page(ordered, query.page)
            }
        },
        Mutant("an offset past the end loses the total", caughtBy: "page/P4-past-the-end", histories: .filters) {
            $0.answer { AlteredPage(total: $2 == 0 ? 0 : $1, nextOffset: next($0, $1), count: $2) }
        },
    ]

    private static func next(_ request: PageRequest, _ total: Int) -> Int? { request.end < total ? request.end : nil }
}
