import AgentMemory
import RedisDriver

/// The search index over the documents of sessions, by which they are found and listed.
///
/// The reference's own index, `working_memory_idx`, folds case and splits values at commas; it is
/// left alone.
struct SessionIndex: SearchIndex {
    let keyPrefix: String

    private static let noSeparator = "\u{1F}"
    private static let tags = ["session_id", "namespace", "user_id"]
    /// The engine may still count a document whose key has expired; these conditions exclude it.
    private static let numbers = ["expires_at", "ttl_seconds", "updated_at"]

    func creation(named name: String) -> RedisCommand {
        var command = RedisCommand(
            "FT.CREATE", name, "ON", "JSON", "PREFIX", "1", keyPrefix, "STOPWORDS", "0", "SCHEMA")
        for tag in Self.tags {
            command.append([
                "$.\(tag)", "AS", tag, "TAG", "SEPARATOR", Self.noSeparator, "CASESENSITIVE", "SORTABLE", "UNF",
            ])
        }
        // The reference knows created_at too, and uses this index if it finds it under its own
        // name.
        for number in Self.numbers + ["created_at"] {
            command.append(["$.\(number)", "AS", number, "NUMERIC", "SORTABLE"])
        }
        return command
    }

    func fitness(of index: IndexInfo) -> IndexFitness {
        let tags = Set(Self.tags.map { "$.\($0)" })
        let isOurs =
            index.keyType == "JSON" && !index.isPartial && index.prefixes == [keyPrefix]
            && index.caseSensitive.isSuperset(of: tags)
            && Self.numbers.allSatisfy { index.types["$.\($0)"] == "NUMERIC" }
        return isOurs ? .ours : .foreign
    }
}

/// Queries of a ``SessionIndex``, without a connection to a server.
struct SessionQueries: Sendable {
    let index: String
    /// For the engine, in milliseconds; 0 is none.
    let timeout: Int
    /// How many results the engine returns, counted from the first.
    var maximumResults = EngineSettings.unlimited

    /// Ids in the order of their bytes, each once.
    ///
    /// - Parameter now: the server's time, in milliseconds since 1970.
    func ids(
        namespace: String?, userID: String?, within scope: AccessScope, at now: Int, _ window: SearchCommands.Window
    ) throws(MemoryError) -> RedisCommand {
        let query = Self.query(sessionID: nil, namespace: namespace, userID: userID, within: scope, at: now)
        var command = distinct(query, at: now)
        command.append(["SORTBY", "2", "@session_id", "ASC", "MAX", String(try window.end(within: maximumResults))])
        command.append(["LIMIT", String(window.offset), String(window.limit)])
        finish(&command, query)
        return command
    }

    /// How many ids there are, under the name `total`.
    func count(namespace: String?, userID: String?, within scope: AccessScope, at now: Int) -> RedisCommand {
        let query = Self.query(sessionID: nil, namespace: namespace, userID: userID, within: scope, at: now)
        var command = distinct(query, at: now)
        command.append(["GROUPBY", "0", "REDUCE", "COUNT", "0", "AS", "total"])
        finish(&command, query)
        return command
    }

    /// The parts of the matching sessions, under the names `s`, `n` and `u`, in the order of
    /// ``SessionKey``. They are read from the documents, which an expired key does not have any
    /// more. The engine trims what it indexes, so sessions whose ids have blanks at an end may be
    /// among them.
    func matches(_ reference: SessionReference, within scope: AccessScope, limit: Int) throws(MemoryError)
        -> RedisCommand
    {
        let blank = UInt8(ascii: " ")
        let trimmed = reference.sessionID.utf8.drop { $0 == blank }.reversed().drop { $0 == blank }.reversed()
        let query = Self.query(
            sessionID: String(decoding: trimmed, as: UTF8.self), namespace: reference.namespace,
            userID: reference.userID, within: scope, at: nil)
        var command = RedisCommand("FT.AGGREGATE", index, query.text, "VERBATIM")
        command.append([
            "LOAD", "9", "$.session_id", "AS", "s", "$.namespace", "AS", "n", "$.user_id", "AS", "u",
            "FILTER", "exists(@s)", "APPLY", "exists(@n)", "AS", "hasN", "APPLY", "exists(@u)", "AS", "hasU",
            "SORTBY", "10", "@s", "ASC", "@hasN", "ASC", "@n", "ASC", "@hasU", "ASC", "@u", "ASC",
            "MAX", String(try SearchCommands.Window(limit: limit).end(within: maximumResults)), "LIMIT", "0",
            String(limit),
        ])
        finish(&command, query)
        return command
    }

    /// One group for each session id that has not expired.
    private func distinct(_ query: QueryText, at now: Int) -> RedisCommand {
        var command = RedisCommand("FT.AGGREGATE", index, query.text, "VERBATIM")
        // A document of the reference has only its time to live, in seconds from a second that was
        // rounded down.
        let isCurrent =
            "(exists(@expires_at) || !exists(@ttl_seconds) || !exists(@updated_at) "
            + "|| @updated_at + @ttl_seconds + 1 > \(now / 1000))"
        command.append(["FILTER", "exists(@session_id) && \(isCurrent)", "GROUPBY", "1", "@session_id"])
        return command
    }

    private static func query(
        sessionID: String?, namespace: String?, userID: String?, within scope: AccessScope, at now: Int?
    ) -> QueryText {
        var query = QueryText()
        for (field, value) in [("session_id", sessionID), ("namespace", namespace), ("user_id", userID)] {
            if let value { query.add("@\(field):{\(query.tag(value))}") }
        }
        query.add(scope)
        if let now { query.add("-@expires_at:[-inf \(query.plain(String(now)))]") }
        return query
    }

    private func finish(_ command: inout RedisCommand, _ query: QueryText) {
        command.append(["TIMEOUT", String(timeout)])
        query.appendParameters(to: &command)
        command.append(["DIALECT", "2"])
    }
}
