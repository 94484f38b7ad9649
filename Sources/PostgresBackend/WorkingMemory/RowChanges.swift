import AgentMemory

/// The writes that turn stored rows, in the order of their positions, into other rows.
///
/// Unchanged rows keep their position and are not written: a write that adds at the end writes only
/// the new rows, and one that leaves out the oldest deletes only those.
struct RowChanges<Row: Equatable> {
    /// Rows to insert, or to write over the one at their position.
    private(set) var written: [(position: Int64, row: Row)] = []
    /// Positions to delete.
    private(set) var deleted: [Int64] = []
    /// Above all positions.
    private(set) var nextPosition: Int64

    /// - Parameters:
    ///   - stored: in the order of their positions.
    ///   - id: identifies the row that a new one replaces; need not be unique.
    init(from stored: [(position: Int64, row: Row)], to rows: [Row], id: (Row) -> String) {
        let origins = Self.origins(of: rows, in: stored, id: id)
        // Rows before all unchanged ones get positions below these.
        let leading = origins.firstIndex { $0 != nil }
        var last =
            leading.flatMap { index in origins[index].map { stored[$0].position - Int64(index) } }.map { $0 - 1 } ?? -1
        var used: Set<Int64> = []
        used.reserveCapacity(rows.count)
        for (row, origin) in zip(rows, origins) {
            if let origin, stored[origin].position > last {
                last = stored[origin].position
                if stored[origin].row != row { written.append((last, row)) }
            } else {
                // New, or without room at its old place.
                last += 1
                written.append((last, row))
            }
            used.insert(last)
        }
        nextPosition = last + 1
        deleted = stored.lazy.map(\.position).filter { !used.contains($0) }
    }

    /// For each row the index of the stored row that it replaces; these increase.
    private static func origins(
        of rows: [Row], in stored: [(position: Int64, row: Row)], id: (Row) -> String
    ) -> [Int?] {
        // The indices of an id from the last to the first, so that the next one can be taken from
        // the end.
        var indices: [ExactString: [Int]] = [:]
        for index in stored.indices.reversed() {
            indices[ExactString(id(stored[index].row)), default: []].append(index)
        }
        var last = -1
        return rows.map { row in
            let id = ExactString(id(row))
            while let index = indices[id]?.popLast() {
                if index > last {
                    last = index
                    return index
                }
            }
            return nil
        }
    }
}
