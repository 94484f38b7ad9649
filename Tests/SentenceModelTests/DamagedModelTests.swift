import AgentMemory
import Foundation
import Testing

@testable import SentenceModel

@Suite("Damaged and foreign models")
struct DamagedModelTests {
    /// A safetensors file with the header and as many bytes of tensors.
    private static func file(header: String, data: Int, length: UInt64? = nil) -> Data {
        var bytes = Data()
        withUnsafeBytes(of: (length ?? UInt64(header.utf8.count)).littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: header.utf8)
        bytes.append(Data(count: data))
        return bytes
    }

    private static func tensor(_ type: String, _ shape: String, _ from: String, _ to: String) -> String {
        #"{"dtype":"\#(type)","shape":\#(shape),"data_offsets":[\#(from),\#(to)]}"#
    }

    private static func open(_ data: Data) throws -> TensorFile {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("tensors-\(UUID().uuidString)")
        try data.write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return try TensorFile(MappedFile(file.path))
    }

    @Test func `a well formed file is read`() throws {
        let header =
            #"{"__metadata__":{"a":"b"},"x":\#(Self.tensor("F32", "[2,3]", "0", "24")),"none":\#(Self.tensor("F16", "[0]", "24", "24"))}  "#
        let file = try Self.open(Self.file(header: header, data: 24))
        let tensor = try file.tensor("x", shape: [2, 3])
        #expect(tensor.count == 6)
        #expect(throws: MemoryError.self) { try file.tensor("x", shape: [3, 2]) }
        #expect(throws: MemoryError.self) { try file.tensor("y", shape: [2, 3]) }
    }

    @Test func `every wrong length offset shape and type is refused`() throws {
        func refuse(_ data: Data, _ comment: Comment) {
            #expect(comment) {
                _ = try Self.open(data)
            } throws: { error in
                (error as? MemoryError)?.code == .misconfigured
            }
        }
        for size in 0..<8 { refuse(Data(count: size), "\(size) bytes") }
        refuse(Self.file(header: "{}", data: 0, length: 3), "a header beyond the end")
        for length in [UInt64.max, UInt64(Int.max), UInt64(Int.max) - 7, 100_000_001] {
            refuse(Self.file(header: "{}", data: 100, length: length), "a header of \(length) bytes")
        }
        refuse(Self.file(header: "{", data: 0), "a header that ends too early")
        refuse(Self.file(header: "[]", data: 0), "a header that is a list")
        refuse(Self.file(header: "\u{1}", data: 0), "a header that is not JSON")
        refuse(Self.file(header: "{}", data: 4), "bytes that belong to no tensor")
        let tensors: [(String, Int)] = [
            (Self.tensor("F32", "[2]", "0", "8"), 7), (Self.tensor("F32", "[2]", "0", "8"), 9),
            (Self.tensor("F32", "[2]", "0", "4"), 4), (Self.tensor("F32", "[2]", "8", "0"), 8),
            (Self.tensor("F32", "[2]", "-8", "0"), 8), (Self.tensor("F32", "[2]", "0.5", "8.5"), 8),
            (Self.tensor("F33", "[2]", "0", "8"), 8), (Self.tensor("F32", "[-2]", "0", "8"), 8),
            (Self.tensor("F32", "[2.5]", "0", "10"), 10), (Self.tensor("F32", "{}", "0", "8"), 8),
            (Self.tensor("F32", "[4611686018427387904,4]", "0", "0"), 0),
            (Self.tensor("F32", "[9223372036854775807,9223372036854775807]", "0", "8"), 8),
            (Self.tensor("F32", "[2]", "0", "9223372036854775807"), 8),
            (Self.tensor("F32", "[2]", "0", "1e300"), 8),
            (#"{"dtype":"F32","shape":[2],"data_offsets":[0]}"#, 8), (#"{"dtype":"F32","shape":[2]}"#, 8),
            (#"{"shape":[2],"data_offsets":[0,8]}"#, 8), (#"{"dtype":7,"shape":[2],"data_offsets":[0,8]}"#, 8),
            ("null", 8),
        ]
        for (tensor, data) in tensors {
            refuse(Self.file(header: "{\"x\":\(tensor)}", data: data), "\(tensor) and \(data) bytes")
        }
        for (first, second) in [("0", "8"), ("4", "12"), ("9", "17"), ("16", "24")] {
            let header =
                "{\"x\":\(Self.tensor("F32", "[2]", "0", "8")),\"y\":\(Self.tensor("F32", "[2]", first, second))}"
            refuse(Self.file(header: header, data: Int(second) ?? 0), "tensors at 0 and at \(first)")
        }
    }

    @Test func `a file cut at any place is refused`() throws {
        let whole = try Data(contentsOf: URL(fileURLWithPath: ModelFixtures.path("tiny-cls-f16/model.safetensors")))
        _ = try Self.open(whole)
        for size in stride(from: 0, to: whole.count, by: 997) {
            #expect(throws: MemoryError.self, "\(size) bytes") { try Self.open(whole.prefix(size)) }
        }
        #expect(throws: MemoryError.self) { try Self.open(whole.dropLast()) }
    }

    /// What is done to a copy of a small model, and what the refusal must name.
    private static let changes: [(what: String, change: @Sendable (URL) throws -> Void, named: [String])] = [
        ("no configuration", { try remove($0, "config.json") }, ["config.json", "No such file"]),
        ("no tokenizer", { try remove($0, "vocab.txt") }, ["no tokenizer", "tokenizer.json", "vocab.txt"]),
        ("no weights", { try remove($0, "model.safetensors") }, ["model.safetensors"]),
        ("no pooling", { try remove($0, "1_Pooling/config.json") }, ["1_Pooling/config.json"]),
        ("another architecture", { try edit($0, "config.json", "\"bert\"", "\"mpnet\"") }, ["mpnet", "only bert"]),
        (
            "other positions", { try edit($0, "config.json", "{", "{\"position_embedding_type\": \"relative_key\",") },
            ["relative_key"]
        ),
        ("another activation", { try edit($0, "config.json", "gelu_new", "silu") }, ["silu"]),
        (
            "another width", { try edit($0, "config.json", "\"hidden_size\": 24", "\"hidden_size\": 48") },
            ["shape", "48"]
        ),
        (
            "a width that heads cannot share",
            { try edit($0, "config.json", "\"num_attention_heads\": 3", "\"num_attention_heads\": 5") }, ["5 heads"]
        ),
        (
            "more layers", { try edit($0, "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3") },
            ["encoder.layer.2"]
        ),
        (
            "absurd layers", { try edit($0, "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 9e18") },
            ["num_hidden_layers"]
        ),
        (
            "a length that no integer holds",
            { try write($0, "tokenizer_config.json", "{\"model_max_length\": -1e300}") }, ["maximum length"]
        ),
        (
            "a length below zero",
            { try write($0, "sentence_bert_config.json", "{\"max_seq_length\": -9223372036854775808}") },
            ["maximum length"]
        ),
        (
            "absurd numbers",
            { try edit($0, "config.json", "\"hidden_size\": 24", "\"hidden_size\": 9223372036854775807") },
            ["hidden_size"]
        ),
        ("a configuration that is not JSON", { try edit($0, "config.json", "{", "") }, ["config.json", "not JSON"]),
        ("a configuration that is a list", { try write($0, "config.json", "[]") }, ["model_type"]),
        (
            "another pooling", { try edit($0, "1_Pooling/config.json", "max_tokens\": false", "max_tokens\": true") },
            ["cls_token and max_tokens"]
        ),
        (
            "two poolings", { try edit($0, "1_Pooling/config.json", "mean_tokens\": false", "mean_tokens\": true") },
            ["cls_token and mean_tokens"]
        ),
        ("another module", { try edit($0, "modules.json", "models.Pooling", "models.Dense") }, ["Dense"]),
        (
            "a prompt", { try write($0, "config_sentence_transformers.json", "{\"default_prompt_name\": \"query\"}") },
            ["query"]
        ),
        (
            "a larger vocabulary", { try write($0, "vocab.txt", try read($0, "vocab.txt") + "one\nmore\n") },
            ["vocab_size"]
        ),
        ("a vocabulary without marks", { try edit($0, "vocab.txt", "[CLS]", "[cls]") }, ["[CLS]"]),
        (
            "a vocabulary that is not UTF-8",
            { try Data([0xFF, 0x0A]).write(to: $0.appendingPathComponent("vocab.txt")) }, ["UTF-8"]
        ),
        (
            "another tokenizer",
            { try write($0, "tokenizer.json", "{\"model\": {\"type\": \"Unigram\", \"vocab\": []}}") }, ["WordPiece"]
        ),
        (
            "weights of whole numbers",
            {
                let path = $0.appendingPathComponent("model.safetensors")
                var data = try Data(contentsOf: path)
                while let range = data.range(of: Data("\"F16\"".utf8)) {
                    data.replaceSubrange(range, with: Data("\"I16\"".utf8))
                }
                try data.write(to: path)
            }, ["I16", "F32, F16 and BF16"]
        ),
        (
            "weights that are empty", { try Data().write(to: $0.appendingPathComponent("model.safetensors")) },
            ["model.safetensors", "0 bytes"]
        ),
    ]

    private static func remove(_ folder: URL, _ name: String) throws {
        try FileManager.default.removeItem(at: folder.appendingPathComponent(name))
    }

    private static func read(_ folder: URL, _ name: String) throws -> String {
        try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
    }

    private static func write(_ folder: URL, _ name: String, _ text: String) throws {
        try text.write(to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8)
    }

    private static func edit(_ folder: URL, _ name: String, _ old: String, _ new: String) throws {
        let text = try read(folder, name)
        let range = try #require(text.range(of: old), "\(name) has no \(old)")
        try write(folder, name, text.replacingCharacters(in: range, with: new))
    }

    @Test(arguments: changes.indices)
    func `what is missing or foreign is refused by name`(_ index: Int) async throws {
        let change = Self.changes[index]
        try await ModelFixtures.withCopy(of: "tiny-cls-f16") { folder in
            try change.change(folder)
            do {
                _ = try SentenceEmbedder(.init(name: "local/tiny", path: folder.path))
                Issue.record("\(change.what): not refused")
            } catch let error as MemoryError {
                #expect(error.code == .misconfigured)
                for name in change.named { #expect(error.message.contains(name), "\(change.what): \(error.message)") }
            }
        }
    }

    @Test func `weights that are not numbers are found when they are read`() async throws {
        try await ModelFixtures.withCopy(of: "tiny-cls-f16") { folder in
            let path = folder.appendingPathComponent("model.safetensors")
            var data = try Data(contentsOf: path)
            data.replaceSubrange(data.count - 20_000..<data.count, with: Data(repeating: 0xFF, count: 20_000))
            try data.write(to: path)
            let embedder = try SentenceEmbedder(.init(name: "local/tiny", path: folder.path))
            await #expect {
                try await embedder.embed(["a"])
            } throws: { error in
                (error as? MemoryError)?.code == .embeddingFailed
            }
            #expect(await embedder.unavailability()?.contains("damaged") == true)
        }
    }
}
