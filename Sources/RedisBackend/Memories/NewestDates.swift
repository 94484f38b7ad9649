import AgentMemory
import Synchronization

/// How far back the first pages of lists reached: as long as nothing is deleted, as many records
/// are as new as that, and the engine need not sort those before them.
///
/// It sorts all matches of a query, which takes 50 ms for 200,000.
final class NewestDates: Sendable {
    private struct Key: Hashable {
        let query: Int
        /// The power of four that the end of a page is within, so that a short page does not sort
        /// what a long one needed.
        let magnitude: Int

        init(_ query: QueryText, _ page: PageRequest) {
            self.query = query.identity
            magnitude = (Int.bitWidth - page.end.leadingZeroBitCount + 1) / 2
        }
    }

    private let known = Mutex<[Key: Timestamp]>([:])
    private static let capacity = 4096
    /// Of this many matches all are sorted as quickly.
    private static let fewest = 2000

    /// The query, and a date that the records of the page are probably as new as; `nil` if none is
    /// known.
    func narrowing(_ query: QueryText, page: PageRequest) -> QueryText? {
        let key = Key(query, page)
        guard let date = known.withLock({ $0[key] }) else { return nil }
        var narrowed = query
        narrowed.addOldest(date)
        return narrowed
    }

    /// - Parameters:
    ///   - total: of the records that match.
    ///   - oldest: the date of the last record of a page that is full.
    func learn(_ query: QueryText, page: PageRequest, total: Int, oldest: Timestamp) {
        guard total >= Self.fewest, page.end <= total / 4 else { return }
        let key = Key(query, page)
        known.withLock { known in
            if known.count >= Self.capacity, known[key] == nil { known.removeAll() }
            known[key] = oldest
        }
    }
}
