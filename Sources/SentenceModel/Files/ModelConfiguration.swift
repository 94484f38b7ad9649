import AgentMemory

/// The shape of a BERT encoder and the processing of its output, from the model's own files.
struct ModelConfiguration: Sendable {
    /// The activation between the two products of the feed-forward layers.
    enum Activation: Sendable {
        /// x Φ(x), exactly.
        case gelu
        /// The approximation of the same with tanh.
        case tanhGELU
        case relu
    }

    /// How the vectors of the tokens become one vector.
    enum Pooling: Sendable {
        case mean
        /// The vector of the first token.
        case cls
    }

    let hiddenSize: Int
    let layers: Int
    let heads: Int
    /// The width between the two products of a feed-forward layer.
    let intermediateSize: Int
    let vocabularySize: Int
    let tokenTypes: Int
    /// The positions that the model has learnt: the longest input in tokens.
    let positions: Int
    let layerNormEpsilon: Float
    let activation: Activation
    let pooling: Pooling
    /// Whether vectors are divided by their length.
    let normalizes: Bool
    /// Tokens of one text, including the first and the last, which mark it; further ones are cut
    /// off.
    let maximumTokens: Int

    /// A sentence model.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the file and what is not
    ///   supported.
    init(_ folder: ModelFolder) throws(MemoryError) {
        let modules = try Self.modules(folder)
        try self.init(
            folder, pooling: try Self.pooling(folder, path: modules.pooling), normalizes: modules.normalizes)
        try Self.refusePrompt(folder)
    }

    /// A model for sequence classification with one label, whose head reads the first token.
    ///
    /// - Throws: as ``init(_:)``.
    init(classifierIn folder: ModelFolder) throws(MemoryError) {
        let config = try folder.object("config.json")
        let labels = config["id2label"]?.objectValue?.members.count ?? config["num_labels"]?.intValue ?? 1
        guard labels == 1 else { throw config.refusal("has \(labels) labels; a reranking model has one") }
        try self.init(folder, pooling: .cls, normalizes: false)
        guard tokenTypes >= 2 else { throw config.refusal("has no second token type; a reranking model reads pairs") }
        guard maximumTokens >= 5 else {
            throw config.refusal("goes with a maximum length of \(maximumTokens) tokens, which hold no pair")
        }
    }

    private init(_ folder: ModelFolder, pooling: Pooling, normalizes: Bool) throws(MemoryError) {
        self.pooling = pooling
        self.normalizes = normalizes
        let config = try folder.object("config.json")
        let type = config["model_type"]?.stringValue ?? "(none)"
        guard type == "bert" else {
            throw config.refusal("has the model_type \(type); only bert is supported")
        }
        let positionType = config["position_embedding_type"]?.stringValue ?? "absolute"
        guard positionType == "absolute" else {
            throw config.refusal("has the position_embedding_type \(positionType); only absolute is supported")
        }
        hiddenSize = try config.int("hidden_size", in: 8...8192)
        layers = try config.int("num_hidden_layers", in: 1...128)
        heads = try config.int("num_attention_heads", in: 1...256)
        intermediateSize = try config.int("intermediate_size", in: 8...65_536)
        vocabularySize = try config.int("vocab_size", in: 1...10_000_000)
        tokenTypes = try config.int("type_vocab_size", in: 1...1024)
        positions = try config.int("max_position_embeddings", in: 3...65_536)
        guard hiddenSize % heads == 0 else {
            throw config.refusal("has a hidden_size of \(hiddenSize), which \(heads) heads cannot share")
        }
        // Vectors are processed in groups of eight numbers.
        guard hiddenSize % 8 == 0, intermediateSize % 8 == 0 else {
            throw config.refusal("has a hidden_size or intermediate_size that is not a multiple of 8")
        }
        let epsilon = config["layer_norm_eps"]?.doubleValue ?? 1e-12
        guard epsilon >= 0, epsilon < 1 else { throw config.refusal("has a layer_norm_eps of \(epsilon)") }
        layerNormEpsilon = Float(epsilon)
        let activationName = config["hidden_act"]?.stringValue ?? "gelu"
        switch activationName {
        case "gelu", "gelu_python": activation = .gelu
        case "gelu_new", "gelu_fast", "gelu_pytorch_tanh": activation = .tanhGELU
        case "relu": activation = .relu
        default:
            throw config.refusal("has the hidden_act \(activationName); supported are gelu, gelu_new and relu")
        }
        let sentence = try folder.objectIfPresent("sentence_bert_config.json")
        var longest = positions
        if let configured = sentence?["max_seq_length"]?.intValue {
            longest = min(longest, configured)
        } else if let configured = try folder.objectIfPresent("tokenizer_config.json")?["model_max_length"]?
            .doubleValue,
            configured < Double(longest)
        {
            // As a double, because it may be any number; 1e30 stands for no limit.
            longest = Int(max(configured, 0))
        }
        guard longest >= 3 else { throw config.refusal("has a maximum length of \(longest) tokens") }
        maximumTokens = longest
    }

    /// The list of modules that a text runs through: it names the pooling, and whether vectors are
    /// normalised.
    private static func modules(_ folder: ModelFolder) throws(MemoryError) -> (pooling: String, normalizes: Bool) {
        guard let file = try folder.objectIfPresent("modules.json") else { return ("1_Pooling", false) }
        guard let modules = file.value.arrayValue else { throw file.refusal("is not a list of modules") }
        var names: [String] = []
        var pooling = "1_Pooling"
        for module in modules {
            let name = (module["type"]?.stringValue ?? "").split(separator: ".").last.map(String.init) ?? ""
            names.append(name)
            if name == "Pooling", let path = module["path"]?.stringValue { pooling = path }
        }
        guard names == ["Transformer", "Pooling"] || names == ["Transformer", "Pooling", "Normalize"] else {
            throw file.refusal(
                "lists the modules \(names.joined(separator: ", ")); supported are Transformer, Pooling and, after them, Normalize"
            )
        }
        return (pooling, names.count == 3)
    }

    private static func pooling(_ folder: ModelFolder, path: String) throws(MemoryError) -> Pooling {
        guard let file = try folder.objectIfPresent("\(path)/config.json") else {
            throw MemoryError(
                .misconfigured, "the model folder \(folder.path) has no \(path)/config.json, which says how to pool")
        }
        // Files of newer versions name the mode; those of older ones have a flag for each.
        let modes =
            file["pooling_mode"]?.stringValue.map { [$0] }
            ?? (file.value.objectValue?.members ?? []).filter {
                $0.name.hasPrefix("pooling_mode_") && $0.value == .bool(true)
            }
            .map { String($0.name.dropFirst("pooling_mode_".count)) }
        switch modes {
        case ["mean_tokens"], ["mean"]: return .mean
        case ["cls_token"], ["cls"]: return .cls
        default:
            throw file.refusal(
                "asks for the pooling \(modes.joined(separator: " and ")); supported are mean and cls, one of them")
        }
    }

    /// A prompt that the published library would prepend to every text would change every vector.
    private static func refusePrompt(_ folder: ModelFolder) throws(MemoryError) {
        guard let file = try folder.objectIfPresent("config_sentence_transformers.json"),
            let prompt = file["default_prompt_name"]?.stringValue
        else { return }
        throw file.refusal("asks for the prompt \(prompt) before every text, which is not supported")
    }
}
