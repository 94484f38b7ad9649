import AgentMemory
import RedisDriver

/// A search index over keys of one kind: how it is created, and whether an existing one is
/// suitable.
protocol SearchIndex: Sendable {
    /// FT.CREATE.
    func creation(named name: String) -> RedisCommand

    /// The commands that add what an index of an older version lacks.
    func additions(to index: IndexInfo) -> [RedisCommand]

    /// - Throws: ``MemoryError`` with code `misconfigured` if no index over these keys could be
    ///   used.
    func fitness(of index: IndexInfo) throws(MemoryError) -> IndexFitness
}

extension SearchIndex {
    func additions(to index: IndexInfo) -> [RedisCommand] { [] }
}

/// The index to use, or to create.
struct IndexPlan: Sendable {
    let name: String
    let schema: any SearchIndex

    /// The names to try: the second one if another program has the first.
    static func names(_ name: String) -> [String] { [name, "\(name)_v1"] }
}

/// The relation of an existing index to this backend.
enum IndexFitness: Equatable {
    case ours
    /// Created by another program, such as the reference server: it must be left alone.
    case foreign
}
