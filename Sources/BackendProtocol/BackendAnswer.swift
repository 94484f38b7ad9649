public import AgentMemory

/// The result of a call across the border: `<operation>_answer` in the schema. The backend's side
/// writes results, the server's side reads them.
public enum BackendAnswer {
    public static let empty = Array("{}".utf8)

    // MARK: Writing

    public static func added(_ ids: [String]) -> [UInt8] {
        object { writer in
            writer.name("ids")
            writer.strings(ids)
        }
    }

    /// A whole number under `name`, such as `count`.
    public static func number(_ name: String, _ value: Int) -> [UInt8] {
        object { writer in
            writer.name(name)
            writer.int(value)
        }
    }

    public static func listed(_ page: Page<MemoryRecord>) -> [UInt8] {
        object { writer in
            writer.name("records")
            writer.array { writer in
                for record in page.items { record.writeForBackend(to: &writer) }
            }
            writer.name("total")
            writer.int(page.total)
        }
    }

    /// - Parameter bytes: the opaque bytes of each hit, where the request asked for them.
    public static func found(_ page: Page<SearchHit>, bytes: [[UInt8]?]? = nil) -> [UInt8] {
        object { writer in
            writer.name("hits")
            writer.array { writer in
                for (position, hit) in page.items.enumerated() {
                    writer.object { writer in
                        writer.name("record")
                        hit.record.writeForBackend(to: &writer)
                        writer.name("distance")
                        writer.finite(hit.distance)
                        if let bytes { writer.opaqueBytes(bytes[position]) }
                        guard let score = hit.score else { return }
                        writer.name("score")
                        writer.finite(score)
                    }
                }
            }
            writer.name("total")
            writer.int(page.total)
        }
    }

    public static func health(_ components: [ComponentHealth]) -> [UInt8] {
        object { writer in
            writer.name("components")
            writer.array { writer in
                for component in components {
                    writer.object { writer in
                        writer.name("component")
                        writer.string(component.component)
                        writer.name("reason")
                        writer.string(component.reason)
                        writer.name("version")
                        writer.string(component.version)
                    }
                }
            }
        }
    }

    private static func object(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        writer.object(body)
        return writer.bytes
    }

    // MARK: Reading

    /// - Throws: ``MemoryError`` with code `internalError` if there is not one id for each record,
    ///   the record's own.
    public static func ids(_ json: JSONValue, of records: [MemoryRecord]) throws(MemoryError) -> [String] {
        let ids = try MemberReader(json, of: "the answer to add").strings("ids")
        guard ids.count == records.count else {
            throw MemoryError(.internalError, "the answer to add has \(ids.count) ids for \(records.count) records")
        }
        guard zip(ids, records).allSatisfy({ ExactString($0) == ExactString($1.id) }) else {
            throw MemoryError(.internalError, "the answer to add has other ids than the records")
        }
        return ids
    }

    /// - Throws: ``MemoryError`` with code `internalError` if there is no such number or it is not
    ///   between 0 and `maximum`.
    public static func number(
        _ json: JSONValue, _ name: String, answering operation: BackendOperation, maximum: Int = .max
    ) throws(MemoryError) -> Int {
        let number = try MemberReader(json, of: "the answer to \(operation.rawValue)").required(name, \.intValue)
        guard (0...maximum).contains(number) else {
            throw MemoryError(
                .internalError, "the answer to \(operation.rawValue) has an impossible \(name): \(number)")
        }
        return number
    }

    /// - Throws: ``MemoryError`` with code `internalError` that names the invalid member.
    public static func records(_ json: JSONValue, on page: PageRequest) throws(MemoryError) -> Page<MemoryRecord> {
        let source = "the answer to list"
        var records: [MemoryRecord] = []
        for record in try MemberReader(json, of: source).required("records", \.arrayValue) {
            records.append(try MemoryRecord(fromBackend: record, of: "a record of \(source)"))
        }
        return try checked(records, total: try number(json, "total", answering: .list), page, source)
    }

    /// - Parameter ranking: decides whether distance and score must be present.
    /// - Throws: ``MemoryError`` with code `internalError` that names the invalid member.
    public static func hits(
        _ json: JSONValue, ranking: SearchQuery.Ranking, on page: PageRequest
    ) throws(MemoryError) -> Page<SearchHit> {
        let source = "the answer to search"
        var hits: [SearchHit] = []
        for hit in try MemberReader(json, of: source).required("hits", \.arrayValue) {
            let reader = MemberReader(hit, of: "a hit of \(source)")
            let record = try MemoryRecord(
                fromBackend: try reader.required("record") { $0 }, of: "a record of \(source)")
            func finite(_ name: String) throws(MemoryError) -> Double {
                try reader.required(name) { $0.doubleValue.flatMap { $0.isFinite ? $0 : nil } }
            }
            switch ranking {
            case .semantic: hits.append(SearchHit(record, distance: try finite("distance")))
            case .semanticWithRecency:
                hits.append(
                    SearchHit(record, distance: try finite("distance"), recencyScore: try finite("score")))
            case .keyword: hits.append(SearchHit(record, relativeScore: try finite("score"), .keyword))
            case .hybrid, .blended: hits.append(SearchHit(record, relativeScore: try finite("score"), .hybrid))
            }
        }
        return try checked(hits, total: try number(json, "total", answering: .search), page, source)
    }

    /// The opaque bytes of each hit, in their order; `nil` for a hit without any.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` if some are not Base64.
    public static func opaqueBytes(ofHits json: JSONValue) throws(MemoryError) -> [[UInt8]?] {
        let source = "the answer to search"
        var bytes = OpaqueBytesReader()
        let hits = try MemberReader(json, of: source).required("hits", \.arrayValue)
        for hit in hits { try bytes.read(hit, of: "a hit of \(source)", failing: .internalError) }
        return bytes.all ?? hits.map { _ in nil }
    }

    /// - Throws: ``MemoryError`` with code `internalError` if there is no component, or one cannot
    ///   be read.
    public static func components(_ json: JSONValue) throws(MemoryError) -> [ComponentHealth] {
        let source = "the answer to health"
        var components: [ComponentHealth] = []
        for component in try MemberReader(json, of: source).required("components", \.arrayValue) {
            let reader = MemberReader(component, of: "a component of \(source)")
            components.append(
                ComponentHealth(
                    try reader.required("component", \.stringValue),
                    reason: try reader.optional("reason", \.stringValue),
                    version: try reader.optional("version", \.stringValue)))
        }
        guard !components.isEmpty else { throw MemberReader(json, of: source).unreadable("components") }
        return components
    }

    /// Clients would take the surplus of a too long page, or of a page longer than its total, for
    /// data.
    private static func checked<Item>(
        _ items: [Item], total: Int, _ page: PageRequest, _ source: String
    ) throws(MemoryError) -> Page<Item> {
        guard items.count <= page.limit else {
            throw MemoryError(.internalError, "\(source) has \(items.count) items on a page of \(page.limit)")
        }
        guard items.isEmpty || total - items.count >= page.offset else {
            throw MemoryError(
                .internalError,
                "\(source) has a total of \(total), but \(items.count) items from offset \(page.offset) on")
        }
        return Page(items: items, total: total, request: page)
    }
}

extension JSONWriter {
    /// A number, or `null` for one that JSON does not have: a reader that needs a number refuses
    /// it.
    fileprivate mutating func finite(_ value: Double) {
        if value.isFinite { double(value) } else { null() }
    }
}
