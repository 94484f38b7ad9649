import AgentMemory
import Prompts
import TestSupport
import Testing

@testable import MemoryService

@Suite struct AnswerReaderTests {
    private static let whole = #"{"memories": [{"text": "a"}, {"text": "b {\" ]"}]}"#

    @Test(arguments: [
        whole, "```json\n\(whole)\n```", "Here you are: \(whole) I hope {this} helps.",
        #"[{"text": "a"}, {"text": "b {\" ]"}]"#, "I looked [at it] first.\n\(whole)",
    ])
    func `the list is found whatever stands around it`(_ answer: String) {
        let items = AnswerReader.items(in: answer, list: "memories", mark: "text", isWhole: true)
        #expect(items?.map { $0["text"]?.stringValue } == ["a", "b {\" ]"])
    }

    @Test func `one item without its list is an item`() {
        let items = AnswerReader.items(in: #"{"text": "a"}"#, list: "memories", mark: "text", isWhole: true)
        #expect(items == [["text": "a"]])
        #expect(
            AnswerReader.items(in: #"{"memories": []}"#, list: "memories", mark: "text", isWhole: true)?.isEmpty == true
        )
    }

    @Test(arguments: ["", "I cannot do that.", #"{"error": "no"}"#, "{{{{", #"{"memories": [{"text": "a"}"#])
    func `anything else is not an answer`(_ answer: String) {
        #expect(AnswerReader.items(in: answer, list: "memories", mark: "text", isWhole: true) == nil)
    }

    @Test func `of a list that was cut off the whole items are read`() {
        let cut = #"{"memories": [{"text": "a", "topics": ["x"]}, {"text": "b"}, {"text": "c"#
        let items = AnswerReader.items(in: cut, list: "memories", mark: "text", isWhole: false)
        #expect(items?.map { $0["text"]?.stringValue } == ["a", "b"])
    }

    @Test(arguments: [#""\ud800""#, "NaN", "\"a\u{1}\"", "[1,]"])
    func `an item that is not JSON loses itself alone`(_ value: String) {
        for answer in [
            #"{"memories": [{"text": "a"}, {"text": \#(value)}, {"text": "b"}]}"#,
            #"[{"text": "a"}, {"text": \#(value)}, {"text": "b"}]"#,
        ] {
            let items = AnswerReader.items(in: answer, list: "memories", mark: "text", isWhole: true)
            #expect(items?.map { $0["text"]?.stringValue } == ["a", "b"], "\(answer)")
        }
    }

    @Test func `what a store or a prompt cannot hold is left out`() {
        let items: [JSONValue] = [
            ["text": .string(String(repeating: "a", count: 1 << 20))], ["text": "b\u{0}"], ["text": 1],
            [
                "text": "c", "topics": ["t\u{0}", .string(String(repeating: "t", count: 101)), "t"],
                "from": [0, -1, 4],
            ],
        ]
        let memories = ExtractedMemory.all(items, messageCount: 3)
        #expect(
            memories.map(\.text) == ["c"] && memories.first?.topics == ["t"] && memories.first?.messages.isEmpty == true
        )
        let many = Array(repeating: JSONValue.object(["text": "d"]), count: 100_000)
        #expect(ExtractedMemory.all(many, messageCount: 1).count == ExtractedMemory.mostItems)
        #expect(ScriptedModel.answer("\u{0} a\u{0}b ").summary == "ab")
        #expect(ScriptedModel.answer(String(repeating: "é", count: 1 << 20)).summary.count == 20_004)
    }

    @Test func `a wrong item loses itself alone`() {
        let items: [JSONValue] = [
            ["text": "a", "type": "semantic", "from": [2, 9, "x", 2]], ["text": "b", "type": "procedural"],
            ["text": ""],
            "c", ["type": "semantic"],
            ["text": "d", "topics": ["x, y", "", 1, "x y", "z"], "entities": "none", "event_date": "soon", "from": 1],
            ["text": "e", "type": "episodic", "event_date": "2024-05-03"],
        ]
        let memories = ExtractedMemory.all(items, messageCount: 3)
        #expect(memories.map(\.text) == ["a", "d", "e"])
        #expect(memories[0].messages == [1])
        #expect(memories[1].topics == ["x y", "z"])
        #expect(memories[1].entities.isEmpty && memories[1].eventDate == nil && memories[1].type == .semantic)
        #expect(memories[2].eventDate == Timestamp(parsing: "2024-05-03T00:00:00Z"))
    }

    private func questions(_ model: ScriptedModel) -> ModelQuestions {
        ModelQuestions(model: model, prompts: .builtIn, timeLimit: .seconds(10))
    }

    private func items(_ model: ScriptedModel) async throws -> ModelQuestions.Items {
        try await questions(model).items(
            "the prompt", for: .extraction, schema: ExtractedMemory.schema, list: "memories", mark: "text", quoting: [],
            namespace: nil)
    }

    @Test func `an answer that cannot be read is asked for once more`() async throws {
        let model = ScriptedModel { request in
            ScriptedModel.answer(request.prompt == "the prompt" ? "=====\nno" : #"{"memories": [{"text": "a"}]}"#)
        }
        #expect(try await items(model) == .read([["text": "a"]]))
        #expect(model.prompts.count == 2)
        // The wrong answer cannot end the place where it is quoted.
        #expect(model.prompts[1].contains("\n=====\n    =====\nno\n=====\n"))
        model.replies("no")
        #expect(try await items(model) == .unusable)
        #expect(model.prompts.count == 4)
    }

    @Test func `a failing model is a pause and a refusal is not`() async throws {
        let model = ScriptedModel { _ in throw MemoryError(.languageModelFailed, "down") }
        await #expect(throws: ModelQuestions.Pause.self) { _ = try await items(model) }
        model.replies { _ in throw MemoryError(.timedOut, "slow") }
        await #expect(throws: ModelQuestions.Pause.self) { _ = try await items(model) }
        model.replies { _ in throw MemoryError(.languageModelRefused, "key") }
        await #expect(throws: MemoryError.self) { _ = try await items(model) }
    }
}
