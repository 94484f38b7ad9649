/// A field that is compared with exact values, under its name on the wire.
public enum TagField: String, Sendable, CaseIterable, Hashable {
    case id
    case sessionID = "session_id"
    case userID = "user_id"
    case namespace
    case memoryType = "memory_type"
    case extractionStrategy = "extraction_strategy"
    case memoryHash = "memory_hash"
    /// Values `t` and `f`.
    case discreteMemoryExtracted = "discrete_memory_extracted"
    case topics
    case entities

    /// Whether a record can have several values in this field.
    public var isMultiValued: Bool { self == .topics || self == .entities }

    /// The only values the field can have, where they are fixed.
    public var allowedValues: [String]? {
        switch self {
        case .memoryType: MemoryType.allCases.map(\.rawValue)
        case .discreteMemoryExtracted: ["t", "f"]
        default: nil
        }
    }

    /// The values that `record` has in this field; empty where the field is absent.
    public func values(of record: MemoryRecord) -> [String] {
        switch self {
        case .id: [record.id]
        case .sessionID: record.sessionID.map { [$0] } ?? []
        case .userID: record.userID.map { [$0] } ?? []
        case .namespace: record.namespace.map { [$0] } ?? []
        case .memoryType: [record.memoryType.rawValue]
        case .extractionStrategy: [record.extractionStrategy]
        case .memoryHash: [record.memoryHash]
        case .discreteMemoryExtracted: [record.discreteMemoryExtracted ? "t" : "f"]
        case .topics: record.topics
        case .entities: record.entities
        }
    }
}

/// A field that is compared as a point in time.
public enum DateField: String, Sendable, CaseIterable, Hashable {
    case createdAt = "created_at"
    case lastAccessed = "last_accessed"
    case eventDate = "event_date"

    public func value(of record: MemoryRecord) -> Timestamp? {
        switch self {
        case .createdAt: record.createdAt
        case .lastAccessed: record.lastAccessed
        case .eventDate: record.eventDate
        }
    }
}
