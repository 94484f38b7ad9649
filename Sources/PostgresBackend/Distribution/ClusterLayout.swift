/// How the tables of memories lie in a Citus cluster. Everything else (sessions, jobs, access
/// tokens, documents, notes of deletions) is on the coordinator.
public enum ClusterLayout: String, Sendable, CaseIterable {
    /// All on one node, as tables of one shard each: for many stores in one cluster.
    case placed
    /// Records and vectors are divided over the nodes by the ids of the records: for a store whose
    /// vector index needs the memory of several machines.
    case spread

    /// The column that the tables of vectors share with `memories`.
    var key: String { self == .spread ? "id" : "number" }

    /// Lets `SET LOCAL` between `BEGIN` and `COMMIT` reach the nodes; settings of a session, and
    /// `set_config`, never do.
    static let propagation = ("citus.propagate_set_commands", "local")
}
