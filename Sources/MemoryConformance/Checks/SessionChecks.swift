import AgentMemory

/// Rules W1 to W4 and W9: the identity of sessions, and their content when read.
extension ConformanceCheck {
    enum SessionChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "session/W1-identity",
                hint:
                    "parts of the identity are folded, trimmed, read as syntax, or joined so that two sessions share a key",
                run: identity),
            ConformanceCheck(
                "session/W2-matching", hint: "a part that is left out is taken to be absent, or the order is another",
                run: matching),
            ConformanceCheck(
                "session/W3-round-trip",
                hint: "messages are sorted by their dates, numbers are rounded, or dates lose their fractions",
                run: roundTrip),
            ConformanceCheck(
                "session/W3-values",
                hint:
                    "an empty object is taken for none or for a list, a number is rounded or respelt, or what is nested deep is dropped",
                run: values),
            ConformanceCheck(
                "session/W4-last-messages", hint: "0 means all, or the count is that of what was read",
                run: lastMessages),
            ConformanceCheck(
                "session/W9-list", hint: "an id is listed once for each session that has it, or totals follow the page",
                run: list),
        ]

        @Sendable static func identity(_ scope: CheckScope) async throws {
            let (store, other) = try (scope.sessions.first, scope.sessions.second)
            let tags = HostileStrings.tags
            var keys = try tags.indices.flatMap { i in
                [
                    try SessionKey(sessionID: tags[i]),
                    try SessionKey(sessionID: tags[i], namespace: tags[(i + 1) % tags.count]),
                    try SessionKey(sessionID: tags[i], userID: tags[(i + 1) % tags.count]),
                    try SessionKey(
                        sessionID: tags[i], namespace: tags[(i + 2) % tags.count], userID: tags[(i + 3) % tags.count]),
                ]
            }
            keys += try [
                SessionKey(sessionID: " plain"), SessionKey(sessionID: "plain "),
                SessionKey(sessionID: "s", namespace: "x:y"), SessionKey(sessionID: "s", userID: "x:y"),
                SessionKey(sessionID: "y:s", namespace: "x"), SessionKey(sessionID: "y:s", userID: "x"),
                SessionKey(sessionID: "x:y:s"), SessionKey(sessionID: "s", namespace: "x", userID: "y"),
            ]
            for (i, key) in keys.enumerated() {
                var memory = session(key, messages: [])
                memory.tokens = i
                try await store.write(memory, expecting: .absent, writerStamp: nil)
            }
            for (i, key) in keys.enumerated() {
                let read = try await other.read(key, lastMessages: nil)
                try scope.expect("the session \(key)", read?.memory.key == key)
                try scope.expect("which of them \(key) is", read?.memory.tokens, i)
                let reference = try SessionReference(
                    sessionID: key.sessionID, namespace: key.namespace, userID: key.userID)
                let matching = try await other.matching(reference, limit: 100)
                try scope.expect("matching \(reference)", matching, keys.filter { reference.matches($0) }.sorted())
            }
            for (i, key) in keys.enumerated() where i.isMultiple(of: 2) {
                try scope.expect("deleted \(key)", try await store.delete(key, expectedRevision: nil))
                try scope.expect("deleted again", try await !other.delete(key, expectedRevision: nil))
            }
            for (i, key) in keys.enumerated() {
                let read = try await other.read(key, lastMessages: 0)
                try scope.expect("\(key) after deletes", read?.memory.tokens, i.isMultiple(of: 2) ? nil : i)
            }
        }

        @Sendable static func matching(_ scope: CheckScope) async throws {
            let store = try scope.sessions.first
            var keys: [SessionKey] = []
            for namespace in [nil, "a", "b", "B"] {
                for userID in [nil, "a", "u"] {
                    keys.append(try SessionKey(sessionID: "s", namespace: namespace, userID: userID))
                }
            }
            for key in keys.shuffled() + [try SessionKey(sessionID: "S"), try SessionKey(sessionID: "other")] {
                try await store.write(session(key), expecting: .absent, writerStamp: nil)
            }
            func matching(_ namespace: String?, _ userID: String?, limit: Int = 100) async throws -> [SessionKey] {
                try await store.matching(
                    SessionReference(sessionID: "s", namespace: namespace, userID: userID), limit: limit)
            }
            try scope.expect("all", try await matching(nil, nil), keys.sorted())
            try scope.expect("the first five", try await matching(nil, nil, limit: 5), Array(keys.sorted().prefix(5)))
            try scope.expect(
                "of a namespace", try await matching("b", nil), keys.filter { $0.namespace == "b" }.sorted())
            try scope.expect("of a user", try await matching(nil, "a"), keys.filter { $0.userID == "a" }.sorted())
            try scope.expect("of both", try await matching("a", "u"), [keys[5]])
            try scope.expect("of nobody", try await matching("c", nil), [])
            try scope.expect("of nobody with both", try await matching("a", "c"), [])
        }

        @Sendable static func roundTrip(_ scope: CheckScope) async throws {
            let key = try SessionKey(sessionID: "s", namespace: "n", userID: "u")
            let texts = HostileStrings.texts
            var memory = session(
                key,
                messages: try texts.enumerated().map { i, text in
                    // The dates decrease, and an id occurs twice.
                    try SessionMessage(
                        id: "m\(i / 2)", role: ["user", "assistant", "tool", "a \"role\""][i % 4], content: text,
                        createdAt: at(Int64(-i), Int64(i)), persistedAt: i % 3 == 0 ? at(5, 123_456) : nil,
                        discreteMemoryExtracted: i % 5 == 0)
                })
            let numbers = [
                "0", "-1", "1.0", "0.1", "1.50", "1e2", "9007199254740993", "12345678901234567890123", "-0",
                "3.141592653589793", "0.00001", "1E400",
            ]
            var deep: JSONValue = [1.5, nil, true]
            for _ in 0..<150 { deep = ["deeper": deep] }
            let odd: JSONObject = [
                "numbers": .array(try numbers.map { try JSONValue(parsing: $0) }), "deep": deep, "": nil,
                "texts": .array(texts.map { .string($0) }), "empty": [[], [:]],
            ]
            memory.data = odd
            memory.context = texts.joined(separator: "\n")
            memory.tokens = 42
            memory.strategy = MemoryStrategy(
                .custom, config: ["prompt": "\"quoted\" {x}", "numbers": odd["numbers"] ?? nil])
            memory.ttlSeconds = 86_400
            memory.memories = try [
                SessionMemory(
                    MemoryRecord(
                        id: "a", text: texts[3], sessionID: "other", userID: "u2", namespace: "n2",
                        memoryType: .episodic, topics: ["t"], entities: [], discreteMemoryExtracted: false,
                        extractionStrategyConfig: odd, metadata: odd, pinned: true, accessCount: 3, createdAt: at(1, 1),
                        lastAccessed: at(2, 2), updatedAt: at(3, 3), eventDate: at(-5, 5)),
                    givenLists: [.topics, .entities], persistedAt: nil),
                SessionMemory(
                    MemoryRecord(id: "b", text: "plain", createdAt: at(1), lastAccessed: at(1), updatedAt: at(1)),
                    givenLists: [], persistedAt: at(9, 999_999)),
            ]
            let written = try await scope.sessions.first.write(memory, expecting: .absent, writerStamp: at(7, 7))
            let read = try await scope.sessions.second.read(key, lastMessages: nil)
            try scope.expect("the messages", read?.memory.messages == memory.messages)
            try scope.expect("the memories", read?.memory.memories == memory.memories)
            try scope.expect("the data", read?.memory.data == memory.data)
            try scope.expect("the whole session", read?.memory == memory)
            try scope.expect("the revisions", read?.revisions, [written])
            try scope.expect("the writer's stamp", written.writerStamp, at(7, 7))
            var bare = session(key, messages: [])
            bare.lastAccessed = at(60, 60)
            try await scope.sessions.second.write(bare, expecting: .revision(written.number), writerStamp: nil)
            let replaced = try await scope.sessions.first.read(key, lastMessages: nil)
            try scope.expect("nothing of the old session in the new one", replaced?.memory == bare)
        }

        @Sendable static func values(_ scope: CheckScope) async throws {
            let (store, other) = try (scope.sessions.first, scope.sessions.second)
            var revision: Int?
            let key = try SessionKey(sessionID: "s", userID: "u")
            for (i, value) in try clientValues().enumerated() {
                var memory = session(key, messages: [])
                memory.data = value
                // The value is one level deeper in each of these.
                if let value, depth(.object(value)) <= JSONValue.maximumDepth - 3 {
                    memory.strategy = MemoryStrategy(.custom, config: value)
                    memory.memories = [
                        SessionMemory(
                            try MemoryRecord(
                                id: "a", text: "text", extractionStrategyConfig: value, metadata: value,
                                createdAt: at(0), lastAccessed: at(0), updatedAt: at(0)),
                            givenLists: [], persistedAt: nil)
                    ]
                }
                let expectation = revision.map { SessionExpectation.revision($0) } ?? .absent
                revision = try await store.write(memory, expecting: expectation, writerStamp: nil).number
                for lastMessages in [nil, 0] {
                    let read = try await other.read(key, lastMessages: lastMessages)
                    let what = "value \(i) (\(JSONValue.object(value ?? [:]).jsonText.prefix(80)))"
                    try scope.expect("data, \(what)", read?.memory.data == value)
                    try scope.expect("whether there is data, \(what)", (read?.memory.data == nil) == (value == nil))
                    try scope.expect("the strategy, \(what)", read?.memory.strategy == memory.strategy)
                    try scope.expect("the memories, \(what)", read?.memory.memories == memory.memories)
                }
            }
        }

        @Sendable static func lastMessages(_ scope: CheckScope) async throws {
            let store = try scope.sessions.first
            let key = try SessionKey(sessionID: "s")
            var memory = session(key, messages: try (0..<30).map { try message("m\($0)") })
            memory.data = ["k": 1]
            try await store.write(memory, expecting: .absent, writerStamp: nil)
            for count in [0, 1, 7, 29, 30, 31, 1_000_000_000] {
                let read = try await store.read(key, lastMessages: count)
                try scope.expect(
                    "ids of the last \(count)", read?.memory.messages.map(\.id),
                    (0..<30).suffix(count).map { "m\($0)" })
                try scope.expect("messages of all", read?.messageCount, 30)
                try scope.expect("the data", read?.memory.data == memory.data)
            }
            try scope.expect("none", try await store.read(SessionKey(sessionID: "t"), lastMessages: 1) == nil)
        }

        @Sendable static func list(_ scope: CheckScope) async throws {
            let store = try scope.sessions.first
            let ids = HostileStrings.tags
            for (i, id) in ids.enumerated() {
                for (namespace, userID) in [(nil, nil), ("n", nil), ("n", "u"), (nil, "U")] as [(String?, String?)]
                where i % 2 == 0 || namespace != nil {
                    let key = try SessionKey(sessionID: id, namespace: namespace, userID: userID)
                    try await store.write(session(key), expecting: .absent, writerStamp: nil)
                }
            }
            let sorted = ids.map(ExactString.init).sorted().map(\.value)
            let even = ids.enumerated().filter { $0.offset % 2 == 0 }.map { ExactString($0.element) }.sorted().map(
                \.value)
            for (namespace, userID, expected) in [
                (nil, nil, sorted), ("n", nil, sorted), ("n", "u", sorted), (nil, "U", even), (nil, "u", sorted),
                ("N", nil, []), ("n", "U", []),
            ] as [(String?, String?, [String])] {
                let what = "namespace \(namespace ?? "any"), user \(userID ?? "any")"
                for size in [1, 7, 100] {
                    var found: [String] = []
                    var offset: Int? = 0
                    while let start = offset {
                        let page = try await store.sessionIDs(
                            namespace: namespace, userID: userID, page: PageRequest(limit: size, offset: start))
                        try scope.expect("total, \(what)", page.total, expected.count)
                        found += page.items
                        offset = page.nextOffset
                    }
                    try scope.expect(
                        "ids, \(what)", found.map { Array($0.utf8) }, expected.map { Array($0.utf8) })
                }
            }
            for offset in [ids.count, 1_000_000, Int.max - 10] {
                let page = try await store.sessionIDs(
                    namespace: nil, userID: nil, page: PageRequest(limit: 10, offset: offset))
                try scope.expect("ids past the end", page.items, [])
                try scope.expect("total past the end", page.total, ids.count)
            }
        }
    }
}

/// Values of session data: none, and values that stores tend to change.
private func clientValues() throws -> [JSONObject?] {
    let numbers = [
        "0", "-0", "0.0", "-0.0", "1", "1.0", "1.00", "-1", "1e0", "1E2", "1e+2", "1.5e3", "0.1", "0.10", "1e-7",
        "0.0001",
        "0.00001", "123456789012345.6", "1234567890.123456789", "9007199254740993", "-9007199254740993",
        "9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551615",
        "18446744073709551616", "123456789012345678901234567890", "3.141592653589793238462643383279", "1e22", "1e23",
        "5e-324", "1e-400", "1.7976931348623157e308", "1e400", "-1e400",
    ]
    let names = [
        "", " ", ".", "$", "*", "[0]", "a.b", "$.data", "'", "\"", "\\", "exact", "data", "NUL \u{0}", "\u{1F}", "é",
    ]
    var named = JSONObject()
    for (i, name) in names.enumerated() { named[name] = .int(i) }
    let texts = [
        "{}", #"{"a": {}}"#, #"{"a": []}"#, #"{"a": null}"#, #"{"a": [[], {}, null, "", 0, false]}"#,
        #"{"a": {"b": {"c": {}}, "d": [[[]]]}}"#, #"{"a": [{}, {}]}"#, #"{"a": [null, null]}"#,
        #"{"NUL": "a\u0000b", "nested": {"\u0000": "\u0000"}}"#, #"{"numbers": [\#(numbers.joined(separator: ", "))]}"#,
    ]
    var values: [JSONObject?] = [nil]
    for text in texts { values += [try JSONValue(parsing: text).objectValue, nil] }
    values.append(named)
    values.append(["texts": .array(HostileStrings.texts.map { .string($0) })])
    // The request that carries data adds one level.
    for levels in [100, 101, 120, 127, 128, 129, JSONValue.maximumDepth - 3, JSONValue.maximumDepth - 1] {
        var list: JSONValue = []
        for _ in 0..<levels - 2 { list = [list] }
        var object: JSONObject = [:]
        for _ in 0..<levels - 1 { object = ["a": .object(object)] }
        values += [["list": list], object]
    }
    return values
}

/// The depth of nested arrays and objects, the value itself included.
private func depth(_ value: JSONValue) -> Int {
    switch value {
    case .null, .bool, .number, .string: 0
    case .array(let elements): 1 + (elements.map(depth).max() ?? 0)
    case .object(let object): 1 + (object.members.map { depth($0.value) }.max() ?? 0)
    }
}

/// A session with one message unless others are given; its dates are whole seconds.
func session(_ key: SessionKey, messages: [SessionMessage]? = nil) -> WorkingMemory {
    let first = SessionMessage(
        storedID: "m0", role: "user", content: "first", createdAt: at(0), persistedAt: nil,
        discreteMemoryExtracted: false)
    return WorkingMemory(
        key: key, messages: messages ?? [first], createdAt: at(0), updatedAt: at(1), lastAccessed: at(2))
}

func message(_ id: String, _ content: String = "text") throws(MemoryError) -> SessionMessage {
    try SessionMessage(id: id, role: "user", content: content, createdAt: at(0))
}
