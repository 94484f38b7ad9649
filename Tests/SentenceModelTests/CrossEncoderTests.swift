import AgentMemory
import Foundation
import Testing

@testable import SentenceModel

@Suite("Cross-encoders")
struct CrossEncoderTests {
    private func withModel(
        _ change: (TinyClassifier) throws -> Void = { _ in },
        _ body: (TinyClassifier, CrossEncoder.Configuration) async throws -> Void
    ) async throws {
        let model = try TinyClassifier()
        defer { try? FileManager.default.removeItem(at: model.folder) }
        try change(model)
        var configuration = CrossEncoder.Configuration(name: "tiny", path: model.folder.path)
        configuration.deadline = .seconds(60)
        try await body(model, configuration)
    }

    @Test func `values are those of the model computed step by step`() async throws {
        try await withModel { model, configuration in
            let encoder = try CrossEncoder(configuration)
            let texts = ["green tea", "red wine and bread", "tea", "", "milk", "tea tea tea tea tea"]
            for query in ["green tea", "wine", "tea or milk or bread or wine"] {
                let scores = try await encoder.scores(of: texts, for: query)
                for (text, score) in zip(texts, scores) {
                    let expected = model.value(model.pair(query, text))
                    #expect(abs(score - expected) < 1e-5, "\(query) and \(text)")
                }
                #expect(Set(scores).count == texts.count)
            }
            #expect(try await encoder.scores(of: [], for: "tea") == [])
            #expect(await encoder.unavailability() == nil)
        }
    }

    @Test func `many texts of many calls at once are the same texts alone`() async throws {
        try await withModel { _, configuration in
            let encoder = try CrossEncoder(configuration)
            let texts = (0..<60).map { ["tea", "green wine", "bread and milk"][$0 % 3] }
            let alone = try await encoder.scores(of: Array(texts.prefix(3)), for: "tea")
            try await withThrowingTaskGroup(of: [Double].self) { group in
                for _ in 0..<8 { group.addTask { try await encoder.scores(of: texts, for: "tea") } }
                for try await scores in group {
                    for (index, score) in scores.enumerated() { #expect(abs(score - alone[index % 3]) < 1e-5) }
                }
            }
        }
    }

    @Test func `the longer part is cut`() async throws {
        try await withModel { model, configuration in
            let encoder = try CrossEncoder(configuration)
            let long = Array(repeating: "bread", count: 40).joined(separator: " ")
            // Sixteen places: three marks, two of the query, eleven of the text.
            let cut = Array(repeating: "bread", count: 11).joined(separator: " ")
            for (query, text, shown) in [
                ("green tea", long, ("green tea", cut)), (long, "green tea", (cut, "green tea")),
                (long, long, (Array(repeating: "bread", count: 7).joined(separator: " "), nil)),
            ] as [(String, String, (String, String?))] {
                let score = try await encoder.scores(of: [text], for: query)[0]
                let rest = shown.1 ?? Array(repeating: "bread", count: 6).joined(separator: " ")
                #expect(abs(score - model.value(model.pair(shown.0, rest))) < 1e-5)
            }
        }
    }

    @Test(arguments: ["classifier.weight", "bert.pooler.dense.bias"])
    func `a model without its head is refused by name`(_ tensor: String) async throws {
        try await withModel({ try $0.write(leavingOut: tensor) }) { _, configuration in
            let error = #expect(throws: MemoryError.self) { try CrossEncoder(configuration) }
            #expect(error?.code == .misconfigured)
            #expect(error?.message.contains(tensor.replacing("bert.", with: "")) == true)
        }
    }

    @Test(
        arguments: [
            ("\"type_vocab_size\": 2", "\"type_vocab_size\": 1", "token type"),
            ("\"model_type\": \"bert\"", "\"model_type\": \"roberta\"", "roberta"),
            ("\"model_type\"", "\"id2label\": {\"0\": \"no\", \"1\": \"yes\"}, \"model_type\"", "2 labels"),
            ("\"max_position_embeddings\": 16", "\"max_position_embeddings\": 4", "hold no pair"),
        ])
    func `another model is refused`(_ old: String, _ new: String, _ named: String) async throws {
        try await withModel({ try $0.edit("config.json", old, new) }) { _, configuration in
            let error = #expect(throws: MemoryError.self) { try CrossEncoder(configuration) }
            #expect(error?.message.contains(named) == true, "\(error?.message ?? "")")
        }
    }

    @Test func `a call that is not done in time fails`() async throws {
        try await withModel { _, configuration in
            var configuration = configuration
            configuration.threads = 1
            let texts = Array(repeating: "tea and bread and milk and wine", count: 300_000)
            // The second deadline ends before the texts are in the queue.
            for deadline in [Duration.milliseconds(20), .nanoseconds(1)] {
                configuration.deadline = deadline
                let encoder = try CrossEncoder(configuration)
                // Without the values, of which a failure would print all.
                let error = await #expect(throws: MemoryError.self) {
                    _ = try await encoder.scores(of: texts, for: "tea")
                }
                #expect(error?.code == .timedOut)
                #expect(error?.message.contains("reranking model tiny") == true)
            }
        }
    }
}

/// A classifier of one layer with made-up weights, as files and as a plain computation.
final class TinyClassifier {
    private static let words = [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "green", "red", "tea", "wine", "and", "bread", "or", "milk",
    ]
    private static let (hidden, heads, wide, positions) = (16, 2, 24, 16)

    let folder: URL
    private var tensors: [(name: String, shape: [Int], values: [Double])] = []

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("classifier-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        var seed: UInt64 = 5
        func add(_ name: String, _ shape: Int..., around center: Double = 0) {
            let values = (0..<shape.reduce(1, *)).map { _ in
                seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Double(Float(center + (Double(seed >> 40) / Double(1 << 24) - 0.5) * 0.8))
            }
            tensors.append((name, shape, values))
        }
        let (hidden, wide) = (Self.hidden, Self.wide)
        add("bert.embeddings.word_embeddings.weight", Self.words.count, hidden)
        add("bert.embeddings.position_embeddings.weight", Self.positions, hidden)
        add("bert.embeddings.token_type_embeddings.weight", 2, hidden)
        for (name, rows, columns) in [
            ("attention.self.query", hidden, hidden), ("attention.self.key", hidden, hidden),
            ("attention.self.value", hidden, hidden), ("attention.output.dense", hidden, hidden),
            ("intermediate.dense", wide, hidden), ("output.dense", hidden, wide),
        ] {
            add("bert.encoder.layer.0.\(name).weight", rows, columns)
            add("bert.encoder.layer.0.\(name).bias", rows)
        }
        for name in ["embeddings", "encoder.layer.0.attention.output", "encoder.layer.0.output"] {
            add("bert.\(name).LayerNorm.weight", hidden, around: 1)
            add("bert.\(name).LayerNorm.bias", hidden)
        }
        add("bert.pooler.dense.weight", hidden, hidden)
        add("bert.pooler.dense.bias", hidden)
        add("classifier.weight", 1, hidden, around: 0.4)
        add("classifier.bias", 1)
        try write()
        try Self.words.joined(separator: "\n").write(
            to: folder.appendingPathComponent("vocab.txt"), atomically: true, encoding: .utf8)
        try """
        {"model_type": "bert", "hidden_size": \(hidden), "num_hidden_layers": 1, "num_attention_heads": \(Self.heads), \
        "intermediate_size": \(wide), "vocab_size": \(Self.words.count), "type_vocab_size": 2, \
        "max_position_embeddings": 16, "hidden_act": "relu", "layer_norm_eps": 1e-12}
        """.write(to: folder.appendingPathComponent("config.json"), atomically: true, encoding: .utf8)
    }

    func write(leavingOut name: String? = nil) throws {
        var header: [String] = []
        var data = Data()
        for tensor in tensors where tensor.name != name {
            let start = data.count
            for value in tensor.values {
                withUnsafeBytes(of: Float(value).bitPattern.littleEndian) { data.append(contentsOf: $0) }
            }
            header.append(
                #""\#(tensor.name)":{"dtype":"F32","shape":\#(tensor.shape),"data_offsets":[\#(start),\#(data.count)]}"#
            )
        }
        let text = "{\(header.joined(separator: ","))}"
        var file = Data()
        withUnsafeBytes(of: UInt64(text.utf8.count).littleEndian) { file.append(contentsOf: $0) }
        file.append(contentsOf: text.utf8)
        try (file + data).write(to: folder.appendingPathComponent("model.safetensors"))
    }

    func edit(_ name: String, _ old: String, _ new: String) throws {
        let path = folder.appendingPathComponent(name)
        let text = try String(contentsOf: path, encoding: .utf8)
        try #require(text.contains(old))
        try text.replacing(old, with: new).write(to: path, atomically: true, encoding: .utf8)
    }

    // MARK: The computation

    func pair(_ query: String, _ text: String) -> (ids: [Int], types: [Int]) {
        func ids(_ text: String) -> [Int] {
            text.split(separator: " ").map { Self.words.firstIndex(of: String($0)) ?? 1 }
        }
        let first = [2] + ids(query) + [3]
        let second = ids(text) + [3]
        return (first + second, first.map { _ in 0 } + second.map { _ in 1 })
    }

    private func values(_ name: String) -> [Double] {
        let full = name.hasPrefix("classifier") ? name : "bert.\(name)"
        return tensors.first { $0.name == full }?.values ?? []
    }

    private func linear(_ name: String, _ x: [Double]) -> [Double] {
        let weights = values("\(name).weight")
        return values("\(name).bias").enumerated().map { row, bias in
            x.indices.reduce(bias) { $0 + weights[row * x.count + $1] * x[$1] }
        }
    }

    private func normalised(_ name: String, _ x: [Double]) -> [Double] {
        let mean = x.reduce(0, +) / Double(x.count)
        let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
        let (gain, bias) = (values("\(name).LayerNorm.weight"), values("\(name).LayerNorm.bias"))
        return x.indices.map { (x[$0] - mean) / variance.squareRoot() * gain[$0] + bias[$0] }
    }

    private func sum(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map(+) }

    func value(_ pair: (ids: [Int], types: [Int])) -> Double {
        let width = Self.hidden
        func row(_ name: String, _ index: Int) -> [Double] {
            Array(values("embeddings.\(name).weight")[index * width..<(index + 1) * width])
        }
        var states = pair.ids.indices.map { position in
            normalised(
                "embeddings",
                sum(
                    sum(row("word_embeddings", pair.ids[position]), row("position_embeddings", position)),
                    row("token_type_embeddings", pair.types[position])))
        }
        let layer = "encoder.layer.0"
        let queries = states.map { linear("\(layer).attention.self.query", $0) }
        let keys = states.map { linear("\(layer).attention.self.key", $0) }
        let contents = states.map { linear("\(layer).attention.self.value", $0) }
        let size = width / Self.heads
        states = states.indices.map { position in
            var context: [Double] = []
            for head in 0..<Self.heads {
                let range = head * size..<(head + 1) * size
                let scores = keys.map { key in
                    exp(range.reduce(0) { $0 + queries[position][$1] * key[$1] } / Double(size).squareRoot())
                }
                let total = scores.reduce(0, +)
                context += range.map { column in
                    contents.indices.reduce(0) { $0 + scores[$1] / total * contents[$1][column] }
                }
            }
            let attended = linear("\(layer).attention.output.dense", context)
            let state = normalised("\(layer).attention.output", sum(states[position], attended))
            let expanded = linear("\(layer).intermediate.dense", state).map { max($0, 0) }
            return normalised("\(layer).output", sum(state, linear("\(layer).output.dense", expanded)))
        }
        let pooled = linear("pooler.dense", states[0]).map(tanh)
        return 1 / (1 + exp(-linear("classifier", pooled)[0]))
    }
}
