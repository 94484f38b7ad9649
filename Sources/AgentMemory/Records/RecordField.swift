/// The fields of a memory record, each once, in the order in which the REST API shows them.
///
/// All code that stores, sends or reads records goes through this list: ``MemoryRecord/value(of:)``
/// and ``RecordChanges/value(of:)`` return the values, ``RecordSource`` reads them. The raw value
/// is the position in `allCases`.
public enum RecordField: Int, Sendable, CaseIterable {
    case id
    case text
    case sessionID
    case userID
    case namespace
    case lastAccessed
    case createdAt
    case updatedAt
    case pinned
    case accessCount
    case topics
    case entities
    case memoryHash
    case discreteMemoryExtracted
    case memoryType
    case persistedAt
    case extractedFrom
    case eventDate
    case extractionStrategy
    case extractionStrategyConfig
    case metadata
    case expiresAt

    /// The spelling in JSON and in columns. Redis hashes differ only in the name of the id.
    public var name: String {
        switch self {
        case .id: "id"
        case .text: "text"
        case .sessionID: "session_id"
        case .userID: "user_id"
        case .namespace: "namespace"
        case .lastAccessed: "last_accessed"
        case .createdAt: "created_at"
        case .updatedAt: "updated_at"
        case .pinned: "pinned"
        case .accessCount: "access_count"
        case .topics: "topics"
        case .entities: "entities"
        case .memoryHash: "memory_hash"
        case .discreteMemoryExtracted: "discrete_memory_extracted"
        case .memoryType: "memory_type"
        case .persistedAt: "persisted_at"
        case .extractedFrom: "extracted_from"
        case .eventDate: "event_date"
        case .extractionStrategy: "extraction_strategy"
        case .extractionStrategyConfig: "extraction_strategy_config"
        case .metadata: "metadata"
        case .expiresAt: "expires_at"
        }
    }

    fileprivate static let withoutExpiry = allCases.filter { $0 != .expiresAt }

    /// The fields that the memory hash is computed from (``MemoryHash``).
    public static let hashed: [RecordField] = [.text, .userID, .sessionID, .namespace, .memoryType]
}

/// The value of one field, by its kind.
public enum RecordValue: Sendable {
    /// Never absent.
    case text(String)
    case optionalText(String?)
    case memoryType(MemoryType)
    case texts([String])
    case flag(Bool)
    /// A flag that JSON and hashes spell `t` or `f`.
    case letterFlag(Bool)
    case count(Int)
    case object(JSONObject)
    case date(Timestamp)
    case optionalDate(Timestamp?)
}

extension MemoryRecord {
    /// The fields that JSON shows: `expires_at` only where there is one, because programs that know
    /// older servers do not expect it.
    public var shownFields: [RecordField] {
        expiresAt == nil ? RecordField.withoutExpiry : RecordField.allCases
    }

    public func value(of field: RecordField) -> RecordValue {
        switch field {
        case .id: .text(id)
        case .text: .text(text)
        case .sessionID: .optionalText(sessionID)
        case .userID: .optionalText(userID)
        case .namespace: .optionalText(namespace)
        case .lastAccessed: .date(lastAccessed)
        case .createdAt: .date(createdAt)
        case .updatedAt: .date(updatedAt)
        case .pinned: .flag(pinned)
        case .accessCount: .count(accessCount)
        case .topics: .texts(topics)
        case .entities: .texts(entities)
        case .memoryHash: .text(memoryHash)
        case .discreteMemoryExtracted: .letterFlag(discreteMemoryExtracted)
        case .memoryType: .memoryType(memoryType)
        case .persistedAt: .optionalDate(persistedAt)
        case .extractedFrom: .texts(extractedFrom)
        case .eventDate: .optionalDate(eventDate)
        case .extractionStrategy: .text(extractionStrategy)
        case .extractionStrategyConfig: .object(extractionStrategyConfig)
        case .metadata: .object(metadata)
        case .expiresAt: .optionalDate(expiresAt)
        }
    }
}

/// A reader of the fields of a stored record, with one method for each kind of value
/// (``RecordValue``).
///
/// Conforming types know how the values are stored; ``MemoryRecord/init(reading:)`` knows which
/// fields a record has.
public protocol RecordSource {
    associatedtype Failure: Error

    mutating func text(_ field: RecordField) throws(Failure) -> String
    mutating func optionalText(_ field: RecordField) throws(Failure) -> String?
    mutating func memoryType(_ field: RecordField) throws(Failure) -> MemoryType
    mutating func texts(_ field: RecordField) throws(Failure) -> [String]
    mutating func flag(_ field: RecordField) throws(Failure) -> Bool
    mutating func letterFlag(_ field: RecordField) throws(Failure) -> Bool
    mutating func count(_ field: RecordField) throws(Failure) -> Int
    mutating func object(_ field: RecordField) throws(Failure) -> JSONObject
    mutating func date(_ field: RecordField) throws(Failure) -> Timestamp
    mutating func optionalDate(_ field: RecordField) throws(Failure) -> Timestamp?
}
