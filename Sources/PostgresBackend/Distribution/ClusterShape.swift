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
        switch layout {
        // Triggers write the totals and read the spaces, so both lie with the memories; so do the
        // sums of words, which a statement reads together with them.
        case .placed:
            ["memory_totals", "memory_words", "memory_word_changes", "vector_spaces", "memories"] + vectors
                + ["memory_tokens"]
        case .spread: ["memories"] + vectors + ["memory_tokens"]
        }
    }

    /// The triggers of these tables, each with the command that creates it.
    ///
    /// On a shard a trigger sees the other tables as distributed ones, whose statements take no
    /// rows of a transition table. So totals are counted row by row; no events are made. If the
    /// tables are spread there are none: a trigger would have to find the shard next to its own.
    var triggers: [Trigger: String] {
        guard layout == .placed else { return [:] }
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
    func preparation(of vectors: [String]) -> [String] {
        // No trigger keeps the sums of words, so they are not complete, and words are counted.
        let sums = ["DELETE FROM memory_words", "DELETE FROM memory_word_changes"]
        guard layout == .spread else { return sums }
        // Every unique constraint must hold the column that tables are distributed by. The tables
        // are empty, and an interrupted run may have come as far as the distribution. The number
        // stays as the order in which records were stored.
        let others = vectors.filter { $0 != "memory_embeddings" }
        return sums + [
            "ALTER TABLE memories DROP CONSTRAINT IF EXISTS memories_pkey",
            "ALTER TABLE memories DROP CONSTRAINT IF EXISTS memories_id_key",
            "ALTER TABLE memories ADD PRIMARY KEY (id)", "DROP INDEX IF EXISTS memories_number, memories_keyword_count",
            "CREATE INDEX memories_number ON memories (number)",
            "CREATE INDEX memories_keyword_count ON memories (keyword_count)",
            "DROP TABLE IF EXISTS memory_embeddings, memory_tokens",
        ] + others.map { "DROP TABLE IF EXISTS \($0)" } + ["DELETE FROM vector_spaces"]
            + definition(ofVectors: "memory_embeddings") + [
                "CREATE TABLE memory_tokens (id text COLLATE \"C\" PRIMARY KEY, bits bytea NOT NULL) WITH (toast_tuple_target = 8160)",
                "ALTER TABLE memory_tokens ALTER COLUMN bits SET STORAGE EXTERNAL",
            ]
    }

    private func definition(ofVectors table: String) -> [String] {
        let key = layout == .spread ? "id text COLLATE \"C\"" : "number bigint"
        return [
            "CREATE TABLE \(table) (\(key) PRIMARY KEY, embedding vector NOT NULL) WITH (toast_tuple_target = 8160)",
            // Not possible once the table is distributed.
            "ALTER TABLE \(table) ALTER COLUMN embedding SET STORAGE EXTERNAL",
        ]
    }

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
        "SELECT create_distributed_table('\(table)', \(layout == .spread ? "'id'" : "NULL"), colocate_with => '\(place)')"
    }

    /// Removing a record removes what depends on it.
    func foreignKeys(of vectors: [String]) -> [Command] {
        (vectors + ["memory_tokens"]).map(foreignKey)
    }

    private func foreignKey(of table: String) -> Command {
        Command(
            table: table,
            sql:
                "ALTER TABLE \(table) ADD CONSTRAINT \(table)_\(layout.key)_fkey FOREIGN KEY (\(layout.key)) REFERENCES memories (\(layout.key)) ON DELETE CASCADE"
        )
    }

    /// Creates a table for the vectors of one more model.
    func creation(ofVectors table: String) -> [String] {
        definition(ofVectors: table) + [distribution(of: table, with: "memories"), foreignKey(of: table).sql]
    }
}
