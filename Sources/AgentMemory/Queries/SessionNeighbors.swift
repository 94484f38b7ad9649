/// The memories around one in its session (rule S10): those with the same session_id, namespace and
/// user_id, in the order of created_at, then of ids.
public struct SessionNeighbors: Sendable, Equatable {
    public struct Memory: Sendable, Equatable {
        public let id: String
        public let text: String

        public init(id: String, text: String) {
            self.id = id
            self.text = text
        }
    }

    /// In the order of the session, the closest last.
    public let before: [Memory]
    /// In the order of the session, the closest first.
    public let after: [Memory]

    /// How many memories on each side can be asked for.
    public static let reaches = 0...3

    /// Those of a memory without a session, or alone in it.
    public static let none = SessionNeighbors(before: [], after: [])

    public init(before: [Memory], after: [Memory]) {
        self.before = before
        self.after = after
    }

    /// Found among records that hold at least the neighbours; others are left out.
    ///
    /// - Parameters:
    ///   - record: the memory whose neighbours are looked for.
    ///   - records: in any order; the memory itself may be among them.
    ///   - reach: how many on each side.
    public init(of record: MemoryRecord, among records: [MemoryRecord], reach: Int) {
        let others = records.filter { $0.sharesSession(with: record) && ExactString($0.id) != ExactString(record.id) }
            .sorted { $0.precedesInSession($1) }
        let position = others.firstIndex { record.precedesInSession($0) } ?? others.count
        func memory(_ record: MemoryRecord) -> Memory { Memory(id: record.id, text: record.text) }
        before = others[..<position].suffix(reach).map(memory)
        after = others[position...].prefix(reach).map(memory)
    }
}

extension MemoryRecord {
    /// Whether both belong to the same session of the same user and namespace. A record without a
    /// session is in none.
    public func sharesSession(with other: MemoryRecord) -> Bool {
        guard let sessionID, let otherID = other.sessionID else { return false }
        return ExactString(sessionID) == ExactString(otherID) && sharesOwner(with: other)
    }

    fileprivate func precedesInSession(_ other: MemoryRecord) -> Bool {
        createdAt != other.createdAt ? createdAt < other.createdAt : ExactString(id) < ExactString(other.id)
    }
}

extension MemoryVectorDatabase {
    /// By lists, for backends without a read of their own: one for each session, of its newest
    /// 10,000 memories.
    public func neighbors(of records: [MemoryRecord], reach: Int) async throws -> [SessionNeighbors] {
        var sessions: [(of: MemoryRecord, records: [MemoryRecord])] = []
        var found: [SessionNeighbors] = []
        for record in records {
            guard let sessionID = record.sessionID else {
                found.append(.none)
                continue
            }
            if !sessions.contains(where: { $0.of.sharesSession(with: record) }) {
                var tags: [TagField: TagCondition] = [.sessionID: try TagCondition(field: .sessionID, eq: sessionID)]
                if let user = record.userID { tags[.userID] = try TagCondition(field: .userID, eq: user) }
                if let namespace = record.namespace {
                    tags[.namespace] = try TagCondition(field: .namespace, eq: namespace)
                }
                let page = try await list(
                    ListQuery(filter: MemoryFilter(tags: tags), page: PageRequest(limit: PageRequest.maximumLimit)))
                sessions.append((record, page.items))
            }
            let session = sessions.first { $0.of.sharesSession(with: record) }?.records ?? []
            found.append(SessionNeighbors(of: record, among: session, reach: reach))
        }
        return found
    }
}
