import AgentMemory

extension RecordUpdate {
    /// Writes one of the `updates` of the schema.
    ///
    /// - Parameters:
    ///   - analyzer: makes the words of a new text, for backends that search by words.
    ///   - bytes: the opaque bytes of a new text or their absence, for backends that keep them.
    func write(to writer: inout JSONWriter, analyzer: TextAnalyzer?, bytes: [UInt8]?? = nil) {
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
            if changes.text != nil, let bytes { writer.opaqueBytes(bytes) }
        }
    }

    /// - Throws: ``MemoryError`` that names the member at fault.
    init(json: JSONValue) throws(MemoryError) {
        let reader = MemberReader(json, of: "the update", failing: .invalidInput)
        let members = try reader.required("set", \.objectValue)
        var set = RecordMembers(.object(members), .backend, of: "set", failing: .invalidInput)
        var access: RecordChanges.Access?
        if let json = try reader.optional("access", { $0 }) {
            let reader = MemberReader(json, of: "access", failing: .invalidInput)
            access = RecordChanges.Access(
                at: try reader.required("at", JSONValue.asDate),
                minimumIntervalSeconds: try reader.required("minimum_interval_seconds", \.intValue))
        }
        self.init(
            id: try reader.required("id", \.stringValue),
            changes: try RecordChanges(reading: &set, access: access))
    }
}

extension RecordChanges {
    fileprivate func writeMembers(to writer: inout JSONWriter, analyzer: TextAnalyzer?) {
        for field in RecordField.allCases {
            if let value = value(of: field) { writer.write(field, value, .backend) }
        }
        if let text, let analyzer {
            writer.name("words")
            writer.strings(analyzer.words(in: text))
        }
    }
}
