/// The tables of a layout, and the commands that make them.
struct ClusterShape: Sendable {
    let layout: ClusterLayout

    /// A trigger by what it does: of the same name, another function is another trigger.
    struct Trigger: Sendable, Hashable {
        let table: String
        let name: String
        let function: String
    }

    /// A command with the table that it changes.
    struct Command: Sendable {
        let table: String
        let sql: String
    }

    /// The tables that are distributed, in the order in which they are.
    func tables(with vectors: [String]) -> [String] {
        // Triggers write the totals and read the spaces, so both lie with the memories.
        let first = ["memory_totals", "vector_spaces", "memories"]
        return first + vectors + ["memory_tokens"]
    }

    /// The triggers of these tables, each with the command that creates it.
    ///
    /// On a shard a trigger sees the other tables as distributed ones, whose statements take no
    /// rows of a transition table. So totals are counted row by row; no events are made.
    var triggers: [Trigger: String] {
        func totals(_ name: String, _ event: String, _ condition: String = "") -> (Trigger, String) {
            (
                Trigger(table: "memories", name: name, function: "add_memory_totals"),
                "CREATE TRIGGER \(name) AFTER \(event) ON memories FOR EACH ROW\(condition) EXECUTE FUNCTION add_memory_totals()"
            )
        }
        func forgetting(_ name: String, _ function: String) -> (Trigger, String) {
            (
                Trigger(table: "memories", name: name, function: function),
                "CREATE TRIGGER \(name) BEFORE UPDATE OF text ON memories FOR EACH ROW WHEN (OLD.text <> NEW.text) EXECUTE FUNCTION \(function)()"
            )
        }
        return Dictionary(
            uniqueKeysWithValues: [
                totals("memories_inserted", "INSERT"), totals("memories_deleted", "DELETE"),
                totals(
                    "memories_updated", "UPDATE OF keyword_count", " WHEN (OLD.keyword_count <> NEW.keyword_count)"),
                forgetting("memories_text_changed", "forget_vectors"),
                forgetting("memories_text_changed_tokens", "forget_tokens"),
            ])
    }

    /// What changes the empty tables before they are distributed.
    func preparation(of vectors: [String]) -> [String] { [] }

    func distribution(of vectors: [String]) -> [Command] {
        let tables = tables(with: vectors)
        return tables.map { table in
            // Without 'none' the tables of other schemas would be in one group with these, and move
            // together with them.
            let place = table == tables[0] ? "none" : tables[0]
            return Command(table: table, sql: distribution(of: table, with: place))
        }
    }

    private func distribution(of table: String, with place: String) -> String {
        "SELECT create_distributed_table('\(table)', NULL, colocate_with => '\(place)')"
    }

    /// Removing a record removes what depends on it.
    func foreignKeys(of vectors: [String]) -> [Command] {
        (vectors + ["memory_tokens"]).map(foreignKey)
    }

    private func foreignKey(of table: String) -> Command {
        Command(
            table: table,
            sql:
                "ALTER TABLE \(table) ADD CONSTRAINT \(table)_number_fkey FOREIGN KEY (number) REFERENCES memories (number) ON DELETE CASCADE"
        )
    }

    /// Creates a table for the vectors of one more model.
    func creation(ofVectors table: String) -> [String] {
        [
            "CREATE TABLE \(table) (number bigint PRIMARY KEY, embedding vector NOT NULL) WITH (toast_tuple_target = 8160)",
            // Not possible once the table is distributed.
            "ALTER TABLE \(table) ALTER COLUMN embedding SET STORAGE EXTERNAL",
            distribution(of: table, with: "memories"),
            foreignKey(of: table).sql,
        ]
    }
}
