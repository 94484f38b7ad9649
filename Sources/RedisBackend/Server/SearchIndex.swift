import AgentMemory
import RedisDriver

/// A search index over keys of one kind: how it is made, and whether one that exists is fit to be
/// used.
protocol SearchIndex: Sendable {
    /// FT.CREATE.
    func creation(named name: String) -> RedisCommand

    /// - Throws: ``MemoryError`` with code `misconfigured` if no index over these keys could be
    ///   used.
    func fitness(of index: IndexInfo) throws(MemoryError) -> IndexFitness
}

/// Which index is to be used, or made.
struct IndexPlan: Sendable {
    let name: String
    let schema: any SearchIndex

    /// Under which names it may be found: the second one if another program has the first.
    static func names(_ name: String) -> [String] { [name, "\(name)_v1"] }
}

/// What an existing index is to us.
enum IndexFitness: Equatable {
    case ours
    /// Made by someone else, such as the reference server: to be left alone.
    case foreign
}
