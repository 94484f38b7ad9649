import AgentMemory

extension RecordUpdate {
    /// Writes one of the `updates` of the schema.
    ///
    /// - Parameter analyzer: makes the words of a new text, for backends that search by words.
    func write(to writer: inout JSONWriter, analyzer: TextAnalyzer?) {
        writer.object { writer in
            writer.name("id")
            writer.string(id)
            writer.name("set")
            writer.object { changes.writeMembers(to: &$0, analyzer: analyzer) }
            writer.name("access")
            if let access = changes.access {
                writer.object { writer in
                    writer.name("at")
                    writer.date(access.at)
                    writer.name("minimum_interval_seconds")
                    writer.int(access.minimumIntervalSeconds)
                }
            } else {
                writer.null()
            }
        }
    }

    /// - Throws: ``MemoryError`` that names the member at fault.
    init(json: JSONValue) throws(MemoryError) {
        let reader = MemberReader(json, of: "the update", failing: .invalidInput)
        let members = try reader.required("set", \.objectValue)
        let set = MemberReader(.object(members), of: "set", failing: .invalidInput)
        func change<Value>(_ name: String, _ convert: (JSONValue) -> Value?) throws(MemoryError) -> FieldChange<Value?>
        where Value: Sendable & Equatable {
            members[name] == nil ? .unchanged : .set(try set.optional(name, convert))
        }
        var access: RecordChanges.Access?
        if let json = try reader.optional("access", { $0 }) {
            let reader = MemberReader(json, of: "access", failing: .invalidInput)
            access = RecordChanges.Access(
                at: try reader.required("at", JSONValue.asDate),
                minimumIntervalSeconds: try reader.required("minimum_interval_seconds", \.intValue))
        }
        self.init(
            id: try reader.required("id", \.stringValue),
            changes: try RecordChanges(
                text: try set.optional("text", \.stringValue), sessionID: try change("session_id", \.stringValue),
                userID: try change("user_id", \.stringValue), namespace: try change("namespace", \.stringValue),
                memoryType: try set.optional("memory_type") { $0.stringValue.flatMap(MemoryType.init) },
                topics: try set.optionalStrings("topics"), entities: try set.optionalStrings("entities"),
                extractedFrom: try set.optionalStrings("extracted_from"),
                discreteMemoryExtracted: try set.optional("discrete_memory_extracted", JSONValue.asExtracted),
                metadata: try set.optional("metadata", \.objectValue), pinned: try set.optional("pinned", \.boolValue),
                eventDate: try change("event_date", JSONValue.asDate),
                updatedAt: try set.optional("updated_at", JSONValue.asDate), access: access))
    }
}

extension RecordChanges {
    fileprivate func writeMembers(to writer: inout JSONWriter, analyzer: TextAnalyzer?) {
        func member<Value>(_ name: String, _ value: Value?, _ write: (inout JSONWriter, Value) -> Void) {
            guard let value else { return }
            writer.name(name)
            write(&writer, value)
        }
        func tag(_ name: String, _ change: FieldChange<String?>) {
            guard case .set(let value) = change else { return }
            writer.name(name)
            writer.string(value)
        }
        member("text", text) { $0.string($1) }
        tag("session_id", sessionID)
        tag("user_id", userID)
        tag("namespace", namespace)
        member("memory_type", memoryType) { $0.string($1.rawValue) }
        member("topics", topics) { $0.strings($1) }
        member("entities", entities) { $0.strings($1) }
        member("extracted_from", extractedFrom) { $0.strings($1) }
        member("discrete_memory_extracted", discreteMemoryExtracted) { $0.string($1 ? "t" : "f") }
        member("metadata", metadata) { $0.value(.object($1)) }
        member("pinned", pinned) { $0.bool($1) }
        if case .set(let date) = eventDate {
            writer.name("event_date")
            writer.date(date)
        }
        member("updated_at", updatedAt) { $0.date($1) }
        if let text, let analyzer {
            writer.name("words")
            writer.strings(analyzer.words(in: text))
        }
    }
}
