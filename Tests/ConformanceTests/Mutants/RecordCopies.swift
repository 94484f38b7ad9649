import AgentMemory

extension MemoryRecord {
    /// The record with some of its fields replaced, unchecked, as a store that got them wrong would
    /// give it back.
    func replacing(
        text: String? = nil, metadata: JSONObject? = nil, date: (Timestamp) -> Timestamp = { $0 },
        absentFrom old: MemoryRecord? = nil
    ) -> MemoryRecord {
        MemoryRecord(
            storedID: id, text: text ?? self.text, sessionID: sessionID ?? old?.sessionID,
            userID: userID ?? old?.userID,
            namespace: namespace ?? old?.namespace, memoryType: memoryType,
            topics: topics.isEmpty ? old?.topics ?? [] : topics,
            entities: entities.isEmpty ? old?.entities ?? [] : entities,
            extractedFrom: extractedFrom, discreteMemoryExtracted: discreteMemoryExtracted,
            extractionStrategy: extractionStrategy, extractionStrategyConfig: extractionStrategyConfig,
            metadata: metadata ?? self.metadata, memoryHash: memoryHash, pinned: pinned, accessCount: accessCount,
            createdAt: date(createdAt), lastAccessed: date(lastAccessed), updatedAt: date(updatedAt),
            persistedAt: persistedAt.map(date), eventDate: (eventDate ?? old?.eventDate).map(date))
    }
}

extension MemoryRecord {
    /// The record as if it belonged to another's user and namespace.
    func owned(like other: MemoryRecord) -> MemoryRecord {
        MemoryRecord(
            storedID: id, text: text, sessionID: sessionID, userID: other.userID, namespace: other.namespace,
            memoryType: memoryType, topics: topics, entities: entities, extractedFrom: extractedFrom,
            discreteMemoryExtracted: discreteMemoryExtracted, extractionStrategy: extractionStrategy,
            extractionStrategyConfig: extractionStrategyConfig, metadata: metadata, memoryHash: memoryHash,
            pinned: pinned, accessCount: accessCount, createdAt: createdAt, lastAccessed: lastAccessed,
            updatedAt: updatedAt, persistedAt: persistedAt, eventDate: eventDate)
    }
}

extension RecordChanges {
    /// The changes without some of them.
    func without(text dropsText: Bool = false, clearing dropsClearing: Bool = false) throws -> RecordChanges {
        func kept<Value>(_ change: FieldChange<Value?>) -> FieldChange<Value?> {
            dropsClearing && change == .set(nil) ? .unchanged : change
        }
        return try RecordChanges(
            text: dropsText ? nil : text, sessionID: kept(sessionID), userID: kept(userID), namespace: kept(namespace),
            memoryType: memoryType, topics: topics, entities: entities, extractedFrom: extractedFrom,
            discreteMemoryExtracted: discreteMemoryExtracted, metadata: metadata, pinned: pinned,
            eventDate: kept(eventDate), updatedAt: updatedAt, access: access)
    }
}
