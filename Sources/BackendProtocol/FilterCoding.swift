import AgentMemory

extension MemoryFilter {
    /// Writes `filter` of the schema.
    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("tags")
            writer.object { writer in
                for (field, condition) in orderedTags {
                    writer.name(field.rawValue)
                    condition.write(to: &writer)
                }
            }
            writer.name("dates")
            writer.object { writer in
                for (field, condition) in orderedDates {
                    writer.name(field.rawValue)
                    condition.write(to: &writer)
                }
            }
            // Only backends that declare the capability get it.
            guard !metadata.isEmpty else { return }
            writer.name("metadata")
            writer.object { writer in
                for condition in metadata {
                    writer.name(condition.key)
                    writer.value(.object(condition.json))
                }
            }
        }
    }

    /// - Throws: ``MemoryError`` that names the field or member at fault.
    init(json: JSONValue) throws(MemoryError) {
        let reader = MemberReader(json, of: "the filter", failing: .invalidInput)
        var tags: [TagField: TagCondition] = [:]
        for (name, value) in try reader.required("tags", \.objectValue).members {
            guard let field = TagField(rawValue: name) else { throw .invalid(name, "there is no field \(name)") }
            tags[field] = try TagCondition(field: field, json: value)
        }
        var dates: [DateField: DateCondition] = [:]
        for (name, value) in try reader.required("dates", \.objectValue).members {
            guard let field = DateField(rawValue: name) else { throw .invalid(name, "there is no date \(name)") }
            dates[field] = try DateCondition(field: field, json: value)
        }
        var metadata: [MetadataCondition] = []
        for (key, value) in try reader.optional("metadata", \.objectValue)?.members ?? [] {
            metadata.append(try MetadataCondition(key: key, json: value))
        }
        self.init(tags: tags, dates: dates, metadata: metadata)
    }
}

extension TagCondition {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("all")
            writer.strings(all)
            writer.name("any")
            writer.array { writer in
                for group in any { writer.strings(group) }
            }
            writer.name("none")
            writer.strings(none)
            writer.name("startswith")
            writer.string(startsWith)
        }
    }

    fileprivate init(field: TagField, json: JSONValue) throws(MemoryError) {
        let reader = MemberReader(json, of: "the filter on \(field.rawValue)", failing: .invalidInput)
        let all = try reader.strings("all")
        var groups: [[String]] = []
        for group in try reader.required("any", \.arrayValue) {
            groups.append(try MemberReader(["group": group], of: "any", failing: .invalidInput).strings("group"))
        }
        let none = try reader.strings("none")
        // One required value is `eq`, which goes with `any`; `all` does not.
        try self.init(
            field: field, eq: all.count == 1 ? all[0] : nil, ne: nil, anyGroups: groups,
            all: all.count > 1 ? all : nil, none: none.isEmpty ? nil : none,
            startsWith: try reader.optional("startswith", \.stringValue))
    }
}

extension DateCondition {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.array { writer in
            for bound in bounds {
                writer.object { writer in
                    writer.name("comparison")
                    writer.string(bound.comparison.rawValue)
                    writer.name("value")
                    writer.date(bound.value)
                }
            }
        }
    }

    fileprivate init(field: DateField, json: JSONValue) throws(MemoryError) {
        var bounds: [Bound] = []
        for bound in json.arrayValue ?? [] {
            let reader = MemberReader(bound, of: "a bound of \(field.rawValue)", failing: .invalidInput)
            bounds.append(
                Bound(
                    try reader.required("comparison") { $0.stringValue.flatMap(Comparison.init) },
                    try reader.required("value", JSONValue.asDate)))
        }
        try self.init(field: field, bounds)
    }
}
