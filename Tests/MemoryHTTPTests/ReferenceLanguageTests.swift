import AgentMemory
import Foundation
import HTTPTypes
import MemoryConformance
import TestSupport
import Testing

/// Requests that were recorded at the reference server with a stub in place of its language model,
/// sent to ours with the same stub: answers have the same status and shape, and lists the same
/// length.
@Suite struct ReferenceLanguageTests {
    /// Where ours means to answer otherwise, and why.
    private static let deviations: [(reason: String, names: [String])] = [
        (
            "what it looks at was made by requests that were not recorded",
            [
                "compact.hash_special.after",
                "compact.llm_500.after",
                "compact.llm_empty.after",
                "compact.no_user_with_one_user.after",
                "trailing.memories",
                "trailing.session",
            ]
        ),
        (
            "the recording had other settings",
            [
                "dedup_off.after",
                "extract.index_all.memories",
            ]
        ),
        (
            "a list of everything, and others' memories are there as well",
            [
                "dedup.no_namespace.after",
                "extract.index_all.noscope",
                "scope.message.all_after",
            ]
        ),
        (
            "of a chain, the two nearest to each other are compared",
            [
                "compact.chain.after"
            ]
        ),
        (
            "memories of several sessions and types are not united",
            [
                "compact.semantic.after"
            ]
        ),
        (
            "a compaction does not wait for the model, and does not fail with it",
            [
                "compact.llm_500"
            ]
        ),
        (
            "no memory is united with one of another namespace or user",
            [
                "dedup.no_namespace.nx1",
                "extract.no_user.memories",
                "scope.message.alice_after",
                "scope.message.tenantA_after",
            ]
        ),
        (
            "sessions of two namespaces do not delay each other",
            [
                "debounce.ns2.memories"
            ]
        ),
        (
            "what is acknowledged is stored, whatever the model does",
            [
                "dedup.llm_500.after"
            ]
        ),
        (
            "a wrong item of an answer is lost alone",
            [
                "extract.badtype.memories"
            ]
        ),
        (
            "JSON in a fence is read",
            [
                "extract.fenced.memories"
            ]
        ),
        (
            "a custom prompt is checked at the write",
            [
                "extract.custom_config_overrides.put",
                "extract.custom_config_overrides.memories",
                "extract.custom_extra.put",
                "extract.custom_missing.put",
                "extract.custom_missing.session",
                "extract.custom_var.put",
            ]
        ),
        (
            "words of a custom prompt or of an answer are not forbidden, and JSON is permitted",
            [
                "extract.custom_bad.memories",
                "extract.custom_important.memories",
                "extract.custom_json_braces.memories",
                "extract.custom_json_braces2.memories",
                "extract.custom_suspicious.memories",
            ]
        ),
        (
            "a deleted session does not come back",
            [
                "extract.index_all.reconstructed"
            ]
        ),
        (
            "messages right after an extraction are extracted from as well",
            [
                "postdebounce.memories"
            ]
        ),
        (
            "messages that are summarised stay stored",
            [
                "summarize.both",
                "summarize.context_given",
                "summarize.context_given.session",
                "summarize.llm_empty",
                "summarize.none_answer",
                "summarize.window0",
                "summarize.window1",
                "summarize.window_neg",
            ]
        ),
        (
            "a PUT does not wait for the model",
            [
                "summarize.llm_500",
                "summarize.llm_500.session",
            ]
        ),
        (
            "a slash at the end is not redirected",
            [
                "sv.list.trailing_slash"
            ]
        ),
        (
            "tasks are listed",
            [
                "sv.task.trailing"
            ]
        ),
        (
            "filters and models that cannot work are refused when a view is defined",
            [
                "sv.partition.bad_memory_type",
                "sv.partition.bad_model",
                "sv.partition.topics_bad_op",
                "sv.run.bad_filter_op",
                "sv.run.bad_memory_type",
                "sv.task.bad_filter_op",
                "sv.task.bad_memory_type",
            ]
        ),
        (
            "a summary that fails is not stored as one",
            [
                "sv.partition.llm_500",
                "sv.partition.llm_empty",
            ]
        ),
        (
            "unknown parameters are refused",
            [
                "sv.partitions.list.unknown_param"
            ]
        ),
        (
            "a task's id may have any characters",
            [
                "sv.task.weird_task_id"
            ]
        ),
    ]

    /// Members that ours adds.
    private static let added: Set<String> = ["merged", "operation", "error_message", "expires_at"]
    /// Members whose members are users' own.
    private static let free: Set<String> = [
        "metadata", "extraction_strategy_config", "data", "group", "filters", "input", "config", "ctx",
    ]

    @Test func `recorded requests get answers of the recorded shape`() async throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("reference-language-models.jsonl")
        let cases = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map {
            try JSONValue(parsing: String($0))
        }
        #expect(cases.count == 209)
        let clock = MovedClock(at: "2026-11-28T00:00:00Z")
        let replay = Replay(LanguageFixture(StubModel.make(), embedder: Self.embedder(), clock: clock))
        try await replay.prepare(cases)
        var found: [String: String] = [:]
        for recorded in cases {
            let name = recorded["name"]?.stringValue ?? ""
            let differences = try await replay.differences(recorded)
            if !differences.isEmpty { found[name] = differences.joined(separator: "; ") }
            // The definitions themselves were not recorded.
            guard name == "sv.list.empty" else { continue }
            try await replay.defineViews(cases.first { $0["name"] == "sv.list.many" }?["answer"])
        }
        let meant = Set(Self.deviations.flatMap(\.names))
        for (name, differences) in found.sorted(by: { $0.key < $1.key }) {
            #expect(meant.contains(name), "\(name): \(differences)")
        }
        for name in meant.sorted() { #expect(found[name] != nil, "\(name) does not deviate") }
    }

    /// Texts of the recordings that differ in one word are near to one another.
    private static func embedder() -> SteeredEmbedder {
        let embedder = SteeredEmbedder()
        let shared = "alpha bravo charlie delta echo foxtrot golf hotel india"
        for (number, word) in ["", " juliet", " kilo", " zulu", " @@HTTP500", " @@EMPTYANSWER"].enumerated() {
            embedder.assign([1, Float(number) / 50], to: shared + word)
        }
        for number in 0..<4 {
            let text = "\(shared) juliet kilo lima mike november oscar papa quebec romeo word\(number)"
            embedder.assign([0, 1, Float(number) / 50], to: text)
        }
        for (text, angle) in [
            ("aa bb cc dd ee ff gg hh", 0), ("aa bb cc dd ee ff gg xx", 0.6), ("aa bb cc dd ee ff yy xx", 1.2),
        ] { embedder.assign([0, 0, 0, Float(cos(angle)), Float(sin(angle))], to: text) }
        return embedder
    }

    /// What the stub of the recordings answers.
    private enum StubModel {
        static func make() -> ScriptedModel {
            ScriptedModel { request in
                // Markers of earlier messages were answered before.
                let parts = request.prompt.components(separatedBy: "New messages:")
                let prompt = parts.last ?? ""
                func has(_ marker: String) -> Bool { prompt.contains("@@\(marker)") }
                if has("HTTP500") { throw MemoryError(.languageModelFailed, "the stub fails") }
                switch request.task {
                case .extraction:
                    return ScriptedModel.answer(memories(prompt, isCustom: parts.count == 1))
                case .tags: return ScriptedModel.answer(tags(prompt))
                case .queryOptimization: return ScriptedModel.answer(has("SHORT") ? "x" : "the cat on a mat")
                case .sessionSummary:
                    return ScriptedModel.answer(has("NONE") ? "NONE" : has("EMPTYANSWER") ? "" : "A stub summary.")
                case .summaryView:
                    return ScriptedModel.answer(has("EMPTYVIEW") || has("HANG") ? "" : "View summary of some memories")
                case .deduplication:
                    let count = prompt.components(separatedBy: #"{"number":"#).count - 1
                    let numbers = (1...max(1, count)).map { "\($0)" }.joined(separator: ", ")
                    let text = has("EMPTYANSWER") ? "" : "Merged \(count)"
                    return ScriptedModel.answer(
                        #"{"groups": [{"relation": "same", "memories": [\#(numbers)], "text": "\#(text)", "current": null}]}"#
                    )
                }
            }
        }

        private static func memories(_ prompt: String, isCustom: Bool) -> String {
            let good =
                #"{"type": "semantic", "text": "User has one good memory", "topics": ["g"], "entities": ["User"]}"#
            for (marker, answer) in [
                ("BADJSON", "this is {not JSON"), ("FENCED", "```json\n{\"memories\": [\(good)]}\n```"),
                ("BADTYPE", #"{"memories": [{"type": "nonsense", "text": "bad"}, \#(good)]}"#),
                ("NOTEXT", #"{"memories": [{"type": "semantic", "topics": []}, \#(good)]}"#),
                (
                    "COMMA",
                    #"{"memories": [{"type": "semantic", "text": "User lives in Austin", "topics": ["a, b"], "entities": ["Austin, TX"]}]}"#
                ),
                (
                    "SUSPICIOUS",
                    #"{"memories": [{"text": "the authentication system is slow"}, {"text": "User likes plain facts"}]}"#
                ),
                ("IMPORTANT", #"{"memories": [{"text": "an important thing"}, {"text": "User likes plain bread"}]}"#),
                ("TWO", #"{"memories": [{"text": "First part"}, {"text": "Second part"}]}"#),
            ] where prompt.contains("@@\(marker)") { return answer }
            let facts = prompt.components(separatedBy: "@@FACT(").dropFirst().compactMap {
                $0.components(separatedBy: ")").first
            }
            if !facts.isEmpty {
                let items = facts.map { #"{"type": "semantic", "text": "\#($0)", "topics": ["fact"], "entities": []}"# }
                return #"{"memories": [\#(items.joined(separator: ", "))]}"#
            }
            guard prompt.contains("coffee") || isCustom else { return #"{"memories": [\#(good)]}"# }
            return #"""
                {"memories": [{"type": "semantic", "text": "User prefers stub coffee", "topics": ["coffee"], "entities": ["User"]},
                    {"type": "episodic", "text": "User visited Stubville", "topics": ["travel"], "entities": ["Stubville"],
                     "event_date": "2024-05-01T00:00:00Z"}]}
                """#
        }

        private static func tags(_ prompt: String) -> String {
            let count = prompt.components(separatedBy: #"{"memory":"m"#).count - 1
            let items = (1...max(1, count)).map {
                #"{"memory": "m\#($0)", "topics": ["stub topic"], "entities": ["Stub"]}"#
            }
            return #"{"memories": [\#(items.joined(separator: ", "))]}"#
        }
    }

    /// Sends the recorded requests in their order.
    private final class Replay {
        private let fixture: LanguageFixture
        /// Ids that the reference's server made, with ours.
        private var ids: [(recorded: String, own: String)] = []

        init(_ fixture: LanguageFixture) {
            self.fixture = fixture
        }

        /// Makes what the recordings begin with and do not have: memories and views.
        func prepare(_ cases: [JSONValue]) async throws {
            for name in ["compact.hash.before", "compact.semantic.before"] {
                try await create(Self.memories(of: name, cases))
            }
            func memory(_ id: String, _ text: String, _ namespace: String, _ more: JSONObject = [:]) -> JSONValue {
                var memory: JSONObject = [
                    "id": .string(id), "text": .string(text), "namespace": .string(namespace), "user_id": "u",
                    "topics": ["x"],
                ]
                for (name, value) in more.members { memory[name] = value }
                return .object(memory)
            }
            let shared = "alpha bravo charlie delta echo foxtrot golf hotel india"
            var memories = ["aa bb cc dd ee ff gg hh", "aa bb cc dd ee ff gg xx", "aa bb cc dd ee ff yy xx"]
                .enumerated().map { memory("c\($0 + 1)", $1, "cc") }
            memories += (0..<4).map {
                memory("q\($0)", "\(shared) juliet kilo lima mike november oscar papa quebec romeo word\($0)", "cq")
            }
            memories += [
                memory("oq1", "the cat sat on the mat", "oq"), memory("lf0", "\(shared) juliet", "lf"),
                memory("nx1", "\(shared) juliet", "nsx"), memory("ta1", "User prefers stub tea", "tenantA"),
                memory("tp1", "Alice met Bob in Paris", "tp", ["topics": ["mine"]]),
                memory("tp2", "A text without names", "tp", ["topics": []]),
                memory("tp3", "Something in Austin", "tp", ["topics": []]),
            ]
            for (copies, namespace) in [(3, "hh3"), (8, "hh8"), (12, "hh12")] {
                memories += (0..<copies).map { memory("\(namespace)-\($0)", "exact same text here", namespace) }
            }
            let viewed: [(user: String, session: String?, topics: [String], age: Int)] = [
                ("ada", "s1", ["drinks"], 1), ("ada", "s2", ["travel", "flights"], 2), ("bob", "s1", ["drinks"], 90),
                ("bob", "s2", ["games"], 3), ("cy", nil, ["other"], 4),
            ]
            for (number, (user, session, topics, age)) in viewed.enumerated() {
                var more: JSONObject = [
                    "user_id": .string(user), "topics": .array(topics.map { .string($0) }),
                    "created_at": .string(fixture.clock.now.advanced(bySeconds: Int64(-86_400 * age)).iso8601),
                ]
                if let session { more["session_id"] = .string(session) }
                if number == 1 { more["event_date"] = "2026-11-01T00:00:00Z" }
                memories.append(memory("sv\(number)", "view memory \(number)", "sv", more))
            }
            try await create(memories)
        }

        private static func memories(of name: String, _ cases: [JSONValue]) -> [JSONValue] {
            let answer = cases.first { $0["name"]?.stringValue == name }?["answer"]
            return (answer?["memories"]?.arrayValue ?? []).map { memory in
                guard case .object(let given) = memory else { return memory }
                var object = JSONObject()
                for (name, value) in given.members where !["dist", "score", "score_type", "memory_hash"].contains(name)
                {
                    object[name] = value
                }
                return .object(object)
            }
        }

        private func create(_ memories: [JSONValue]) async throws {
            let body: JSONValue = ["memories": .array(memories), "deduplicate": false]
            let answer = try await fixture.api.send(.post, "/v1/long-term-memory/", body.jsonText)
            #expect(answer.status == 200, "\(answer.text)")
            try await fixture.settle()
        }

        /// Defines the views of the recording.
        func defineViews(_ list: JSONValue?) async throws {
            for view in list?.arrayValue ?? [] {
                guard case .object(let given) = view, let id = view["id"]?.stringValue else { continue }
                var body = JSONObject()
                for (name, value) in given.members where name != "id" && !value.isNull { body[name] = value }
                // The stub stands in for one of OpenAI's models.
                if body["model_name"] == "gpt-4o-mini" { body["model_name"] = nil }
                let answer = try await fixture.api.send(.post, "/v1/summary-views", JSONValue.object(body).jsonText)
                if let own = answer.json["id"]?.stringValue { ids.append((id, own)) }
            }
        }

        func differences(_ recorded: JSONValue) async throws -> [String] {
            var path = (recorded["path"]?.stringValue ?? "").replacingOccurrences(of: " ", with: "%20")
            for id in ids { path = path.replacingOccurrences(of: id.recorded, with: id.own) }
            let query = (recorded["query"]?.objectValue ?? [:]).members.map {
                "\($0.name)=\($0.value.stringValue ?? $0.value.jsonText)"
            }
            if !query.isEmpty { path += "?" + query.joined(separator: "&") }
            let method = try #require(HTTPRequest.Method(rawValue: recorded["method"]?.stringValue ?? ""))
            let answer = try await fixture.api.send(method, path, recorded["body"]?.jsonText)
            if method != .get, !path.contains("/search") { try await fixture.settle() }
            let expected = recorded["answer"] ?? .null
            if let old = expected["id"]?.stringValue, let own = answer.json["id"]?.stringValue, old != own {
                ids.append((old, own))
            }
            var found: [String] = []
            if let status = recorded["status"]?.intValue, status != answer.status {
                found.append("\(answer.status) instead of \(status)")
            } else if answer.status < 500 {
                ReferenceLanguageTests.compare(expected, answer.json, at: "", &found)
            }
            return found
        }
    }

    private static func compare(_ expected: JSONValue, _ actual: JSONValue, at place: String, _ found: inout [String]) {
        switch (expected, actual) {
        case (.null, _), (_, .null), (.string, .string), (.bool, .bool), (.number, .number): break
        case (.object(let expected), .object(let actual)):
            for (name, value) in expected.members {
                if name.hasPrefix("count_of_") {
                    let count = actual[String(name.dropFirst("count_of_".count))]?.arrayValue?.count
                    if count != value.intValue { found.append("\(name) is \(count ?? -1)") }
                    continue
                }
                guard let own = actual[name] else {
                    found.append("\(place).\(name) is missing")
                    continue
                }
                if name == "total", own.intValue != value.intValue { found.append("total is \(own.jsonText)") }
                if !free.contains(name) { compare(value, own, at: "\(place).\(name)", &found) }
            }
            for (name, _) in actual.members where expected[name] == nil && !added.contains(name) {
                found.append("\(place).\(name) is new")
            }
        case (.array(let expected), .array(let actual)):
            // Lists of texts are the stub's.
            if (expected + actual).contains(where: { $0.stringValue != nil }) { return }
            guard let first = expected.first, let own = actual.first else {
                if expected.isEmpty != actual.isEmpty { found.append("\(place) has \(actual.count) items") }
                return
            }
            compare(first, own, at: "\(place)[]", &found)
        default: found.append("\(place) is \(actual.jsonText.prefix(40))")
        }
    }
}
