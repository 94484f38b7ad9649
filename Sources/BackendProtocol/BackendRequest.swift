public import AgentMemory

/// One call across the border: `<operation>_request` in the schema.
public enum BackendRequest: Sendable {
    case prepare
    /// - Parameter bytes: those of each record, for a backend that keeps opaque bytes.
    case add([MemoryRecord], bytes: [[UInt8]?]? = nil)
    /// - Parameter wantsBytes: whether the hits come with their opaque bytes.
    case search(SearchQuery, wantsBytes: Bool = false)
    case list(ListQuery)
    case count(MemoryFilter)
    case remove([String])
    /// - Parameter bytes: those of each update that names a text, as in ``add(_:bytes:)``.
    case update([RecordUpdate], bytes: [[UInt8]?]? = nil)
    case health
    case drop

    public var operation: BackendOperation {
        switch self {
        case .prepare: .prepare
        case .add: .add
        case .search: .search
        case .list: .list
        case .count: .count
        case .remove: .remove
        case .update: .update
        case .health: .health
        case .drop: .drop
        }
    }

    /// The texts whose vectors a backend needs, as far as the request shows.
    public var textsToEmbed: [String] {
        switch self {
        case .add(let records, _): records.map(\.text)
        case .search(let query, _):
            if case .keyword = query.ranking { [] } else { [query.text] }
        case .prepare, .list, .count, .remove, .update, .health, .drop: []
        }
    }

    /// - Parameter analyzer: makes the words of texts that are stored; `nil` for backends that do
    ///   not search by words.
    public func json(analyzer: TextAnalyzer?) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            switch self {
            case .prepare, .health, .drop: break
            case .add(let records, let bytes):
                writer.name("records")
                writer.array { writer in
                    for (position, record) in records.enumerated() {
                        record.writeForBackend(
                            to: &writer, words: analyzer?.words(in: record.text), bytes: bytes.map { $0[position] })
                    }
                }
            case .search(let query, let wantsBytes):
                query.writeMembers(to: &writer)
                if wantsBytes { writer.member("opaque_bytes", true) }
            case .list(let query):
                writer.name("filter")
                query.filter.write(to: &writer)
                query.page.writeMembers(to: &writer)
            case .count(let filter):
                writer.name("filter")
                filter.write(to: &writer)
            case .remove(let ids):
                writer.name("ids")
                writer.strings(ids)
            case .update(let updates, let bytes):
                writer.name("updates")
                writer.array { writer in
                    for (position, update) in updates.enumerated() {
                        update.write(to: &writer, analyzer: analyzer, bytes: bytes.map { $0[position] })
                    }
                }
            }
        }
        return writer.bytes
    }

    /// - Throws: ``MemoryError`` with code `invalidInput` that names the member at fault.
    public init(_ operation: BackendOperation, json: JSONValue) throws(MemoryError) {
        let reader = MemberReader(json, of: "the request", failing: .invalidInput)
        func filter() throws(MemoryError) -> MemoryFilter {
            try MemoryFilter(json: try reader.required("filter") { $0 })
        }
        switch operation {
        case .prepare: self = .prepare
        case .health: self = .health
        case .drop: self = .drop
        case .add:
            var records: [MemoryRecord] = []
            var bytes = OpaqueBytesReader()
            for record in try reader.required("records", \.arrayValue) {
                records.append(try MemoryRecord(fromBackend: record, of: "a record"))
                try bytes.read(record, of: "a record")
            }
            self = .add(records, bytes: bytes.all)
        case .search:
            self = .search(
                try SearchQuery(json: json), wantsBytes: try reader.optional("opaque_bytes", \.boolValue) ?? false)
        case .list: self = .list(ListQuery(filter: try filter(), page: try PageRequest(reader)))
        case .count: self = .count(try filter())
        case .remove: self = .remove(try reader.strings("ids"))
        case .update:
            var updates: [RecordUpdate] = []
            var bytes = OpaqueBytesReader()
            for update in try reader.required("updates", \.arrayValue) {
                updates.append(try RecordUpdate(json: update))
                try bytes.read(update, of: "an update")
            }
            self = .update(updates, bytes: bytes.all)
        }
    }
}
