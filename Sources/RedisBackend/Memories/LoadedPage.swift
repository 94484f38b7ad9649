import AgentMemory

/// A page whose records were ranked by one command and loaded by another.
struct LoadedPage<Item: Sendable>: Sendable {
    let page: Page<Item>
    /// Whether every ranked record could be loaded.
    let isWhole: Bool

    /// - Parameters:
    ///   - items: one for each ranked record, in order; `nil` for one that could not be loaded.
    ///   - total: the number of records that match.
    init(_ items: [Item?], total: Int, request: PageRequest) {
        let loaded = items.compactMap(\.self)
        page = Page(items: loaded, total: total, request: request)
        isWhole = loaded.count == items.count
    }
}
