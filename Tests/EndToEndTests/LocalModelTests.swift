import AgentMemory
import Foundation
import TestSupport
import Testing

/// The server with a sentence model of its own.
@Suite(.tags(.server)) struct LocalModelTests {
    private static func miniLM() throws -> String {
        try #require(
            ProcessInfo.processInfo.environment["TEST_SENTENCE_MODEL"], "TEST_SENTENCE_MODEL is not set: run make test")
    }

    private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("SentenceModelTests/Fixtures")

    /// No memory shares a word with the question that it answers, and each other question's answer
    /// is a distractor.
    private static let paraphrases = [
        ("my dog is ill", "The puppy has a fever"),
        ("what does she do for a living?", "Her job: teaching maths in Leeds"),
        ("when do we fly?", "The plane leaves Tuesday at noon"),
    ]
    /// Memories that share words with the questions, and do not answer them.
    private static let distractors = [
        "my phone is new", "what does the label say?", "when do the shops close?",
        "we do the dishes in turns", "the dog show is on channel 4",
    ]

    /// For each question the best hit.
    private func bestHits(_ settings: [String: String]) async throws -> [String] {
        let environment = ["MEMORY_VECTOR_DB_FACTORY": "reference"].merging(settings) { $1 }
        return try await ServerProcess.run(environment) { server in
            try await server.client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
            let texts = Self.paraphrases.map(\.1) + Self.distractors
            let stored = try await server.client.create(
                texts.enumerated().map { ["id": .string("m\($0)"), "text": .string($1)] })
            #expect(stored.status == 200)
            var hits: [String] = []
            for (question, _) in Self.paraphrases {
                let page = try await server.client.search(["text": .string(question), "limit": 1])
                hits += page.ids
            }
            return hits
        }
    }

    @Test func `paraphrases are found by the model and not by hashing`() async throws {
        let answers = Self.paraphrases.indices.map { "m\($0)" }
        let model = try await bestHits(["EMBEDDING_MODEL": "", "LOCAL_MODEL_PATH": Self.miniLM()])
        #expect(model == answers)
        let hashing = try await bestHits(["EMBEDDING_MODEL": "local/hashing-1024"])
        #expect(hashing.count == answers.count)
        for (hit, answer) in zip(hashing, answers) { #expect(hit != answer) }
    }

    @Test func `damaged models stop the start`() async throws {
        try await withTemporaryFolder { folder in
            func damaged(_ name: String, _ change: (URL) throws -> Void) throws {
                let model = folder.appendingPathComponent(name)
                try FileManager.default.copyItem(at: Self.fixtures.appendingPathComponent("tiny-cls-f16"), to: model)
                try change(model)
            }
            try damaged("truncated") {
                let weights = $0.appendingPathComponent("model.safetensors")
                try Data(contentsOf: weights).dropLast(100).write(to: weights)
            }
            try damaged("foreign") {
                try Data(#"{"model_type": "t5"}"#.utf8).write(to: $0.appendingPathComponent("config.json"))
            }
            try damaged("wordless") {
                try FileManager.default.removeItem(at: $0.appendingPathComponent("vocab.txt"))
            }
            for (name, expected) in [
                ("truncated", "is damaged"), ("foreign", "t5"), ("wordless", "no tokenizer"),
                ("missing", "Scripts/fetch-model"),
            ] {
                let (status, output) = try await ServerProcess.command(
                    ["api"],
                    [
                        "MEMORY_VECTOR_DB_FACTORY": "reference", "PORT": "0", "LOCAL_MODEL_CACHE": folder.path,
                        "EMBEDDING_MODEL": "local/\(name)",
                    ])
                #expect(status == 1, "\(output)")
                #expect(output.contains(expected), "\(output)")
                #expect(!output.contains("listening"))
            }
        }
    }

    @Test func `texts are embedded on the command line`() async throws {
        let (status, output) = try await ServerProcess.command(
            ["embed", "my dog is ill", "The puppy has a fever"], ["LOCAL_MODEL_PATH": Self.miniLM()])
        #expect(status == 0, "\(output)")
        #expect(output.contains("local/all-MiniLM-L6-v2"))
        #expect(output.contains("384"))
        let cosine = try #require(output.firstMatch(of: #/cosine +(0\.\d{4})  texts 1 and 2/#).flatMap { Double($0.1) })
        // What sentence-transformers 6.2 gives for these two is 0.5799.
        #expect(abs(cosine - 0.5799) < 0.001)
    }
}
