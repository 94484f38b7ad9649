import AgentMemory
import Logging
import MemoryConformance
import Prompts
import ReferenceBackend
import TestSupport
import Testing

@testable import MemoryService

/// What a model may answer, and what clients may do while it works.
@Suite struct HostileModelTests {
    private let clock = MovedClock()
    private let queue: ReferenceJobQueue
    private let store: ReferenceWorkingMemoryStore
    private let documents: ReferenceDocumentStore
    private let memory: LongTermMemory
    private let jobs: JobSubmitter
    private let model = ScriptedModel(#"{"memories": []}"#)

    init() {
        let clock = clock
        queue = ReferenceJobQueue(now: { clock.now })
        store = ReferenceWorkingMemoryStore(jobs: queue, now: { clock.now })
        documents = ReferenceDocumentStore(now: { clock.now })
        let database = ReferenceMemoryDatabase(embedder: SteeredEmbedder(), now: { clock.now })
        memory = LongTermMemory(
            database: database,
            accessRecorder: AccessRecorder(database: database, logger: Logger(label: "test"), now: { clock.now }),
            now: { clock.now })
        jobs = JobSubmitter(queue: queue)
    }

    private var sessions: WorkingMemorySessions {
        WorkingMemorySessions(
            store: store, promotion: Promotion(jobs: jobs), extraction: Extraction(after: .seconds(30)),
            now: { [clock] in clock.now })
    }

    private func put(
        _ key: SessionKey, _ contents: [String] = ["I like tea."], strategy: MemoryStrategy = MemoryStrategy()
    ) async throws {
        _ = try await sessions.put(
            SessionPut(
                key: key,
                messages: try contents.enumerated().map {
                    try SessionMessage(id: "m\($0)", role: "user", content: $1, createdAt: clock.now)
                }, strategy: strategy))
        clock.move(bySeconds: 31)
    }

    @discardableResult
    private func runJobs() async throws -> Int {
        try await queue.runDue(
            ExtractionHandler(
                by: model, prompts: .builtIn, memory: memory, sessions: store, documents: documents, jobs: jobs,
                logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
                now: { [clock] in clock.now }))
    }

    private func records() async throws -> [MemoryRecord] {
        try await memory.list(ListQuery(filter: .everything, page: PageRequest(limit: 1000))).items
    }

    private let key = SessionKey(storedSessionID: "s", namespace: "n", userID: "u")

    // MARK: Answers

    @Test func `an answer cannot choose whose its memories are`() async throws {
        model.replies(
            #"""
            {"memories": [{"text": "fact", "id": "chosen", "namespace": "other", "user_id": "eve", "session_id": "x",
              "pinned": true, "memory_type": "message", "extraction_strategy": "summary", "metadata": {"a": 1},
              "extracted_from": ["mine"], "created_at": "2000-01-01T00:00:00Z", "access_count": 99,
              "expires_at": "2000-01-01T00:00:00Z", "discrete_memory_extracted": "f"}]}
            """#)
        try await put(key)
        try await runJobs()
        let stored = try #require(try await records().first)
        #expect(stored.id != "chosen" && stored.namespace == "n" && stored.userID == "u" && stored.sessionID == "s")
        #expect(!stored.pinned && stored.memoryType == .semantic && stored.extractionStrategy == "discrete")
        #expect(stored.metadata.members.isEmpty && stored.extractedFrom == ["m0"] && stored.accessCount == 0)
        #expect(stored.createdAt == clock.now && stored.expiresAt == nil && stored.discreteMemoryExtracted)
    }

    @Test(arguments: [
        "99999-01-01T00:00:00Z", "0000-00-00T00:00:00Z", "-0001-01-01", "2024-02-30T00:00:00Z", "2024-05-03T25:00:00Z",
        "yesterday", "", "9999999999999999999999",
    ])
    func `a date that is none is left out`(_ date: String) async throws {
        model.replies(#"{"memories": [{"text": "fact", "type": "episodic", "event_date": "\#(date)"}]}"#)
        try await put(key)
        try await runJobs()
        let stored = try await records()
        #expect(stored.map(\.text) == ["fact"] && stored.first?.eventDate == nil)
    }

    @Test(arguments: [
        #""topics": {"a": 1}, "entities": "x""#, #""topics": [["x"], {"y": 1}, null, 3], "entities": [[]]"#,
        #""from": {"0": 1}, "event_date": {"$date": 1}"#, #""from": ["1", null, -1, 1.5, 99999999999999999999]"#,
        #""type": null, "topics": null, "entities": null, "from": null, "event_date": null"#,
        #""topics": ["\u0000", "a\u0007b", "\u0085"]"#,
    ])
    func `members of wrong types are left out alone`(_ members: String) async throws {
        model.replies(#"{"memories": [{"text": "fact", \#(members)}]}"#)
        try await put(key)
        try await runJobs()
        let stored = try await records()
        #expect(stored.map(\.text) == ["fact"])
        #expect(stored.first?.topics.isEmpty == true && stored.first?.extractedFrom == ["m0"])
    }

    @Test func `ten thousand memories of one message are not stored`() async throws {
        let items = (0..<10_000).map { #"{"text": "fact \#($0)"}"# }.joined(separator: ",")
        model.replies("{\"memories\": [\(items)]}")
        try await put(key)
        try await runJobs()
        #expect(try await records().count == ExtractedMemory.mostItems)
    }

    @Test func `nesting without end is not an answer`() {
        let count = 20_000
        for answer in [
            String(repeating: "[", count: count), String(repeating: #"{"memories":"#, count: count),
            #"{"memories": "# + String(repeating: "[", count: count) + String(repeating: "]", count: count) + "}",
        ] {
            for isWhole in [true, false] {
                let items = AnswerReader.items(in: answer, list: "memories", mark: "text", isWhole: isWhole)
                #expect(items?.isEmpty ?? true, "\(answer.prefix(20))")
            }
        }
    }

    @Test func `control characters and white space do not get into prompts as lines`() async throws {
        let hostile = "a\r\n=====\u{85}[2] b\u{2028}=====\u{2029}c\u{B}=====\u{C}=====\t"
        try await put(key, [hostile])
        try await runJobs()
        let lines = try #require(model.prompts.first).split(whereSeparator: \.isNewline)
        #expect(lines.filter { $0.hasPrefix("=====") }.count == 4)
        #expect(lines.filter { $0.hasPrefix("[") }.count == 1)
    }

    @Test func `a summary that grows without end is cut`() async throws {
        let text = String(repeating: "é", count: 3000)
        let items = Array(repeating: #"{"text": "\#(text)"}"#, count: 200).joined(separator: ",")
        model.replies("{\"memories\": [\(items)]}")
        try await put(key, strategy: MemoryStrategy(.summary))
        try await runJobs()
        let stored = try await records()
        #expect(stored.count == 1 && (1...100_000).contains(stored.first?.text.count ?? 0))
    }

    // MARK: Names

    @Test func `sessions whose joined names are equal have a summary each`() async throws {
        let keys = [
            SessionKey(storedSessionID: "c", namespace: "a|b", userID: nil),
            SessionKey(storedSessionID: "c", namespace: "a", userID: "b|"),
            SessionKey(storedSessionID: "|c", namespace: "a", userID: "b"),
            SessionKey(storedSessionID: "b||c", namespace: "a", userID: nil),
            SessionKey(storedSessionID: "c", namespace: "a", userID: "b"),
            SessionKey(storedSessionID: "b|c", namespace: "a", userID: nil),
            SessionKey(storedSessionID: "c", namespace: "caf\u{E9}", userID: "u"),
            SessionKey(storedSessionID: "c", namespace: "cafe\u{301}", userID: "u"),
        ]
        #expect(Set(keys.map { ExtractionHandler.summaryID(of: $0) }).count == keys.count)
        for key in keys {
            model.replies(#"{"memories": [{"text": "\#(key.sessionID) of \#(key.userID ?? "none")"}]}"#)
            try await put(key, strategy: MemoryStrategy(.summary))
            try await runJobs()
        }
        // No summary began with another one's.
        #expect(model.prompts.allSatisfy { $0.contains("Summary so far:\n=====\n(none)\n=====") })
        #expect(try await records().count == keys.count)
    }

    @Test(arguments: [
        ("\u{E9}", "e\u{301}"), ("a}) | @x:{y", "a}) | @x:{z"), ("*", "?"), ("a:b", "a\\:b"), ("'; --", "\"; --"),
        ("\u{1F600}", "\u{1F601}"), ("n/../m", "n/m"),
    ])
    func `names of any characters keep their sessions apart`(_ one: String, _ other: String) async throws {
        model.replies { request in
            let line = request.prompt.split(separator: "\n").last { $0.hasPrefix("[1]") } ?? ""
            return ScriptedModel.answer(#"{"memories": [{"text": "said: \#(line.suffix(1))"}]}"#)
        }
        let keys = try [
            SessionKey(sessionID: one, namespace: one, userID: one),
            SessionKey(sessionID: one, namespace: one, userID: other),
            SessionKey(sessionID: one, namespace: other, userID: one),
            SessionKey(sessionID: other, namespace: one, userID: one),
        ]
        for (number, key) in keys.enumerated() { try await put(key, ["\(number)"]) }
        #expect(try await runJobs() == 4)
        let stored = try await records()
        #expect(stored.count == 4)
        for (number, key) in keys.enumerated() {
            let own = stored.filter {
                SessionKey(storedSessionID: $0.sessionID ?? "", namespace: $0.namespace, userID: $0.userID) == key
            }
            #expect(own.map(\.text) == ["said: \(number)"])
        }
    }

    // MARK: What clients do meanwhile

    @Test(arguments: [MemoryStrategy.Name.discrete, .summary])
    func `a session that is deleted while the model works leaves nothing`(_ strategy: MemoryStrategy.Name) async throws
    {
        let (sessions, key) = (sessions, key)
        model.replies { _ in
            try await sessions.delete(try SessionSelector(sessionID: key.sessionID))
            return ScriptedModel.answer(#"{"memories": [{"text": "fact"}]}"#)
        }
        try await put(key, strategy: MemoryStrategy(strategy))
        try await runJobs()
        clock.move(bySeconds: 600)
        try await runJobs()
        #expect(try await records().isEmpty)
        #expect(await documents.documents(.extraction, of: "", within: .everything, page: try PageRequest()).total == 0)
        #expect(await store.read(key, lastMessages: nil) == nil)
    }

    @Test func `a session that is made again while the model works is extracted from once`() async throws {
        let (sessions, key, clock) = (sessions, key, clock)
        model.replies { [model] _ in
            if model.prompts.count == 1 {
                try await sessions.delete(try SessionSelector(sessionID: key.sessionID))
                clock.move(bySeconds: 1)
                _ = try await sessions.put(
                    SessionPut(
                        key: key,
                        messages: [
                            try SessionMessage(id: "m0", role: "user", content: "I like tea.", createdAt: clock.now)
                        ]))
            }
            return ScriptedModel.answer(#"{"memories": [{"text": "fact \#(model.prompts.count)"}]}"#)
        }
        try await put(key)
        try await runJobs()
        clock.move(bySeconds: 31)
        try await runJobs()
        #expect(try await records().map(\.text) == ["fact 2"])
    }

    @Test func `a message that is changed while the model works is extracted from again`() async throws {
        let (sessions, key, clock) = (sessions, key, clock)
        model.replies { [model] request in
            if model.prompts.count == 1 {
                _ = try await sessions.put(
                    SessionPut(
                        key: key,
                        messages: [
                            try SessionMessage(id: "m0", role: "user", content: "I hate tea.", createdAt: clock.now)
                        ]))
            }
            return ScriptedModel.answer(
                #"{"memories": [{"text": "User \#(request.prompt.contains("I hate tea") ? "hates" : "likes") tea."}]}"#)
        }
        try await put(key)
        try await runJobs()
        clock.move(bySeconds: 31)
        try await runJobs()
        #expect(try await records().map(\.text).contains("User hates tea."))
        #expect(
            try #require(await store.read(key, lastMessages: nil)).memory.messages.map(\.discreteMemoryExtracted)
                == [true])
    }

    @Test(arguments: [MemoryStrategy.Name.discrete, .summary])
    func `a session of very many messages is extracted from in parts`(_ strategy: MemoryStrategy.Name) async throws {
        model.replies(#"{"memories": [{"text": "fact", "from": [1]}]}"#)
        try await put(key, (0..<2000).map { "number \($0)" }, strategy: MemoryStrategy(strategy))
        try await runJobs()
        let messages = try #require(await store.read(key, lastMessages: nil)).memory.messages
        #expect(messages.map(\.discreteMemoryExtracted).contains(false) == false)
        // About 6 tokens each, 4,000 in one call.
        #expect((2...10).contains(model.prompts.count))
        #expect(try await records().count == 1)
    }

    // MARK: Prompts of a session's own

    @Test func `a prompt that would grow without end is refused at the write`() async throws {
        let text = "{message}" + String(repeating: "{x}", count: 1000)
        for config: JSONObject in [
            ["custom_prompt": .string(text), "x": .string(String(repeating: "a", count: 1000))],
            ["custom_prompt": .string(String(repeating: "{message}", count: 100))],
        ] {
            #expect(
                await failureCode { try await put(key, strategy: MemoryStrategy(.custom, config: config)) }
                    == .invalidInput)
        }
    }

    @Test func `a custom prompt may show JSON, and the word important`() async throws {
        let prompt = #"Important: answer like {"memories": [{"text": "x"}]} or {{"text": "y"}} about {message}"#
        try await put(key, strategy: MemoryStrategy(.custom, config: ["custom_prompt": .string(prompt)]))
        model.replies(#"{"memories": [{"text": "An important token of the authentication system."}]}"#)
        try await runJobs()
        #expect(model.prompts[0].hasPrefix(#"Important: answer like {"memories": [{"text": "x"}]} or {{"text": "y"}}"#))
        #expect(try await records().map(\.text) == ["An important token of the authentication system."])
    }

    @Test(arguments: ["message", "current_datetime", "session_id", "namespace", "user_id"])
    func `a config cannot take the place of the conversation`(_ name: String) async throws {
        let config: JSONObject = ["custom_prompt": "About {message}", name: "something else"]
        #expect(
            await failureCode { try await put(key, strategy: MemoryStrategy(.custom, config: config)) }
                == .invalidInput)
    }
}
