import PostgresDriver
import Synchronization

/// How many records match a filter, and how many there are.
struct MatchCounts: Sendable, Equatable {
    let matches: Int
    let total: Int

    init(matches: Int, total: Int) {
        self.matches = matches
        self.total = total
    }

    /// - Parameter result: that of ``SearchSQL/countForSearch(_:phrases:)``.
    init(_ result: PostgresResult) throws {
        let row = try result.singleRow()
        self.init(matches: try row.int("matches"), total: try row.int("total"))
    }
}

/// What filters matched lately, so that a search can send the statement of its plan before it knows
/// the count, which arrives with it.
final class RecentCounts: Sendable {
    private struct Entry {
        var counts: MatchCounts
        /// Whether it still held the last time.
        var isSteady: Bool
    }

    /// The number of filters that are kept.
    private static let limit = 1000

    private let entries = Mutex<[PostgresStatement: Entry]>([:])

    /// The counts that the statement is likely to return; `nil` if they are not known, or changed
    /// the last time.
    func guess(_ count: PostgresStatement) -> MatchCounts? {
        entries.withLock { entries in
            entries[count].flatMap { $0.isSteady ? $0.counts : nil }
        }
    }

    /// Notes what the statement has returned.
    ///
    /// - Parameter wasRight: whether the guess led to the right plan; `nil` if there was none.
    func note(_ count: PostgresStatement, _ counts: MatchCounts, wasRight: Bool?) {
        guard Self.isSmall(count) else { return }
        entries.withLock { entries in
            // Rarely, and then all: what is used will be there again soon.
            if entries.count >= Self.limit, entries[count] == nil { entries.removeAll(keepingCapacity: true) }
            let isSteady = wasRight ?? entries[count].map { $0.counts == counts } ?? true
            entries[count] = Entry(counts: counts, isSteady: isSteady)
        }
    }

    /// Whether the values of the filter have at most 1 KB: long lists of ids are not kept.
    static func isSmall(_ count: PostgresStatement) -> Bool {
        let bytes = count.parameters.reduce(0) { sum, value in
            switch value {
            case .text(let text): sum + text.utf8.count
            case .textArray(let texts): sum + texts.reduce(8 * texts.count) { $0 + $1.utf8.count }
            default: sum + 8
            }
        }
        return bytes <= 1024
    }
}

/// Counts that hold as long as nothing was written: what each statement returned, with the
/// ``KeywordStatistics/version`` of the store.
final class VersionedCounts: Sendable {
    private struct Key: Hashable {
        let count: PostgresStatement
        /// What the transaction may reach, if row security limits it.
        let limit: PostgresStatement?
    }

    /// The number of statements that are kept.
    private static let limit = 1000

    private let entries = Mutex<[Key: (version: String, counts: [Int])]>([:])

    func counts(_ count: PostgresStatement, within limit: PostgresStatement?, version: String?) -> [Int]? {
        guard let version else { return nil }
        return entries.withLock { entries in
            entries[Key(count: count, limit: limit)].flatMap { $0.version == version ? $0.counts : nil }
        }
    }

    /// - Parameter version: that of the store before the statement was sent.
    func note(_ count: PostgresStatement, within limit: PostgresStatement?, version: String?, _ counts: [Int]) {
        guard let version, RecentCounts.isSmall(count) else { return }
        entries.withLock { entries in
            let key = Key(count: count, limit: limit)
            if entries.count >= Self.limit, entries[key] == nil { entries.removeAll(keepingCapacity: true) }
            entries[key] = (version, counts)
        }
    }
}
