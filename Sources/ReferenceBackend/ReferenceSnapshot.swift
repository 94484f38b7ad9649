import AgentMemory

/// A copy of what was in memory at one moment.
actor ReferenceSnapshot<Item: Sendable> {
    private static var pageSize: Int { 500 }

    nonisolated let isOfOneMoment = true
    private let items: [Item]
    private var position = 0

    init(_ items: [Item]) {
        self.items = items
    }

    func count() -> Int? { items.count }

    func next() -> [Item] {
        defer { position = min(position + Self.pageSize, items.count) }
        return Array(items[position..<min(position + Self.pageSize, items.count)])
    }
}

extension ReferenceSnapshot: RecordSnapshot where Item == SnapshotRecord {}
extension ReferenceSnapshot: SessionSnapshot where Item == WorkingMemory {}
