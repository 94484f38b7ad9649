public import AgentMemory

extension LongTermMemory {
    /// The ids of memories whose text is empty, or white space only. This server stores none, but
    /// other programs do.
    ///
    /// All memories of the filter that the caller may see are read.
    public func idsWithEmptyText(in filter: MemoryFilter, for caller: Caller) async throws -> [String] {
        var ids: [String] = []
        try await memories.scoped(to: caller).forEachPage(of: filter) { records in
            ids += records.filter { $0.text.allSatisfy(\.isWhitespace) }.map(\.id)
        }
        return ids
    }
}
