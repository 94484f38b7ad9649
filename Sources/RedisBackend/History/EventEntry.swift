import AgentMemory
import RedisDriver

/// Reads events from the entries of their stream (``EventScript``).
enum EventEntry {
    /// - Throws: ``MemoryError`` with code `internalError` for an entry of another program.
    static func event(_ entry: RedisValue) throws -> MemoryEvent {
        let parts = entry.array ?? []
        var values: [String: RedisValue] = [:]
        let members = parts.last?.array ?? []
        for position in stride(from: 0, to: members.count - 1, by: 2) {
            members[position].string.map { values[$0] = members[position + 1] }
        }
        func text(_ name: EventScript.Name) -> String? { values[name.rawValue]?.string }
        guard let number = parts.first?.string.flatMap({ Int($0.dropFirst(2)) }),
            let time = text(.time).flatMap({ Int64($0) }).flatMap({ Timestamp(microseconds: $0) }),
            let kind = text(.kind).flatMap(MemoryEvent.Kind.init), let id = text(.id),
            let operation = text(.operation)
        else {
            throw MemoryError(.internalError, "the history has an entry that this version cannot read")
        }
        let before: JSONObject?
        if let json = text(.before) {
            before = (try? JSONValue(parsing: json))?.objectValue
        } else if text(.isWhole) != nil {
            before = RecordHash.record(from: RecordHash.fields.map { values[$0] ?? .null })?.jsonObject
        } else {
            let changed = RecordField.allCases.filter { values[RecordHash.name($0)] != nil }
            before = changed.isEmpty ? nil : RecordHash.members(changed, of: values)
        }
        return MemoryEvent(
            sequence: number, time: time, kind: kind, id: id, namespace: text(.namespace).flatMap(Self.present),
            userID: text(.user).flatMap(Self.present), operation: operation, caller: text(.caller),
            reason: text(.reason), successor: text(.successor), before: before)
    }

    /// The names and values of an entry, except its time, id and operation.
    static func values(of event: NewEvent) -> [(name: String, value: String)] {
        var values: [(EventScript.Name, String)] = [
            (.kind, event.kind.rawValue), (.namespace, event.namespace ?? ""), (.user, event.userID ?? ""),
        ]
        if let caller = event.caller { values.append((.caller, caller)) }
        if let reason = event.reason { values.append((.reason, reason)) }
        if let successor = event.successor { values.append((.successor, successor)) }
        if let before = event.before { values.append((.before, JSONValue.object(before).jsonText)) }
        let owners = [RecordField.namespace, .userID, .sessionID].compactMap { field in
            event.before?[field.name].map { (RecordHash.name(field), $0.stringValue ?? "") }
        }
        return values.map { ($0.0.rawValue, $0.1) } + owners
    }

    private static func present(_ text: String) -> String? { text.isEmpty ? nil : text }
}
