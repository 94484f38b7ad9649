/// One step of the schema.
public struct Migration: Sendable, Equatable {
    /// 1 for the first; later ones have larger numbers.
    public let number: Int
    /// The file's name without its ending, such as `0001_create_memories`.
    public let name: String
    public let sql: String

    public init(number: Int, name: String, sql: String) {
        self.number = number
        self.name = name
        self.sql = sql
    }

    /// Whether the file wants to run inside a transaction, which is the rule.
    public var isTransactional: Bool {
        !sql.hasPrefix("-- migrate: no transaction")
    }

    /// All steps in their order, as they were when this binary was built.
    public static let all: [Migration] = [
        embedded("0001_create_memories", PackageResources._001_create_memories_sql),
        embedded("0002_create_sessions_and_jobs", PackageResources._002_create_sessions_and_jobs_sql),
        embedded("0003_create_vector_spaces", PackageResources._003_create_vector_spaces_sql),
        embedded("0004_create_deletions", PackageResources._004_create_deletions_sql),
        embedded("0005_create_memory_tokens", PackageResources._005_create_memory_tokens_sql),
        embedded("0006_add_keyword_analysis", PackageResources._006_add_keyword_analysis_sql),
        embedded("0007_create_access_tokens", PackageResources._007_create_access_tokens_sql),
        embedded("0008_create_vector_codes", PackageResources._008_create_vector_codes_sql),
        embedded("0009_create_row_policies", PackageResources._009_create_row_policies_sql),
        embedded("0010_create_memory_events", PackageResources._010_create_memory_events_sql),
        embedded("0011_add_metadata_terms", PackageResources._011_add_metadata_terms_sql),
        embedded("0012_create_documents", PackageResources._012_create_documents_sql),
        embedded("0013_add_expiry", PackageResources._013_add_expiry_sql),
        embedded("0014_defer_indexing", PackageResources._014_defer_indexing_sql),
        embedded("0015_add_successors", PackageResources._015_add_successors_sql),
        embedded("0016_count_words", PackageResources._016_count_words_sql),
        embedded("0017_create_open_writes", PackageResources._017_create_open_writes_sql),
        embedded("0018_note_owner_changes", PackageResources._018_note_owner_changes_sql),
        embedded("0019_note_complete_codes", PackageResources._019_note_complete_codes_sql),
    ]

    private static func embedded(_ name: String, _ sql: [UInt8]) -> Migration {
        guard let number = Int(name.prefix(4)) else { preconditionFailure("a migration's name begins with its number") }
        return Migration(number: number, name: name, sql: String(decoding: sql, as: UTF8.self))
    }
}
