import AgentMemory

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Pairs of a query and a text to values, on the calling thread: the tokenizer, the encoder and the
/// head of one model.
struct PairEncoder: PortionEncoder {
    struct Pair: Sendable {
        let query: String
        let text: String
    }

    private let tokenizer: WordPieceTokenizer
    private let encoder: BertEncoder
    private let head: ClassifierHead
    private let library: MatrixLibrary

    /// Tokens that are computed together at most, unless one pair alone has more.
    private static let maximumTokens = 256

    /// - Throws: ``MemoryError`` with code `misconfigured` if the weights give no usable value.
    init(
        tokenizer: WordPieceTokenizer, encoder: BertEncoder, head: ClassifierHead, library: MatrixLibrary, path: String
    ) throws(MemoryError) {
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.head = head
        self.library = library
        // The first use of every weight: they are read from the disk now.
        library.prepareThread()
        guard results(of: [Pair(query: "a", text: "b")], EncoderScratch())[0].isFinite else {
            throw MemoryError(
                .misconfigured, "the weights of the model in \(path) are damaged: they give no finite value")
        }
    }

    func prepareThread() { library.prepareThread() }

    static func estimatedTokens(_ pair: Pair) -> Int {
        SentenceEncoder.estimatedTokens(pair.query) + SentenceEncoder.estimatedTokens(pair.text)
    }

    /// Between 0 and 1: the logistic function of the model's value, as the published libraries
    /// apply it to models with one label.
    func results(of pairs: [Pair], _ scratch: EncoderScratch) -> [Float] {
        var results: [Float] = []
        var batch: [[Int32]] = []
        var texts: [Int] = []
        var tokens = 0
        func compute() {
            let states = encoder.vectors(of: batch, secondParts: texts, scratch)
            results += states.map { 1 / (1 + exp(-head.value(of: $0))) }
            batch = []
            texts = []
            tokens = 0
        }
        for pair in pairs {
            let (ids, text) = self.tokens(of: pair)
            if tokens > 0, tokens + ids.count > Self.maximumTokens { compute() }
            batch.append(ids)
            texts.append(text)
            tokens += ids.count
        }
        if tokens > 0 { compute() }
        return results
    }

    /// `[CLS] query [SEP] text [SEP]`, the last two of the second token type. What is too long
    /// loses tokens at the end of the longer part, one after another, as the published tokenizer
    /// does it (`longest_first`).
    ///
    /// - Returns: the ids, and where the text begins among them.
    private func tokens(of pair: Pair) -> (ids: [Int32], text: Int) {
        let maximum = encoder.configuration.maximumTokens
        // With their marks; a part alone can fill all but three places.
        var query = tokenizer.ids(of: pair.query, maximum: maximum - 1)
        var text = tokenizer.ids(of: pair.text, maximum: maximum - 1)
        while query.count + text.count - 1 > maximum {
            if query.count > text.count { query.remove(at: query.count - 2) } else { text.remove(at: text.count - 2) }
        }
        return (query + text.dropFirst(), query.count)
    }
}

/// The tensors of a classifier's head, found and checked, not yet read.
struct ClassifierTensors: Sendable {
    let poolerWeight, poolerBias: Tensor
    let weight, bias: Tensor
    let hiddenSize: Int

    /// - Throws: ``MemoryError`` with code `misconfigured` that names the tensor that is missing or
    ///   does not fit.
    init(_ file: TensorFile, _ configuration: ModelConfiguration) throws(MemoryError) {
        let prefix = file.has("bert.pooler.dense.weight") ? "bert." : ""
        hiddenSize = configuration.hiddenSize
        poolerWeight = try file.tensor("\(prefix)pooler.dense.weight", shape: [hiddenSize, hiddenSize])
        poolerBias = try file.tensor("\(prefix)pooler.dense.bias", shape: [hiddenSize])
        weight = try file.tensor("classifier.weight", shape: [1, hiddenSize])
        bias = try file.tensor("classifier.bias", shape: [1])
    }
}

/// What makes one value of the state of a first token: BERT's pooler (a linear layer and the
/// hyperbolic tangent), and a linear layer with one output.
struct ClassifierHead: Sendable {
    private let pooler: FloatBuffer
    private let poolerBias: FloatBuffer
    private let weight: FloatBuffer
    /// One number.
    private let bias: FloatBuffer
    private let width: Int

    init(_ tensors: ClassifierTensors) {
        pooler = FloatBuffer(tensors.poolerWeight)
        poolerBias = FloatBuffer(tensors.poolerBias)
        weight = FloatBuffer(tensors.weight)
        bias = FloatBuffer(tensors.bias)
        width = tensors.hiddenSize
    }

    func value(of state: [Float]) -> Float {
        var value = bias.numbers[0]
        for row in 0..<width {
            var sum = poolerBias.numbers[row]
            let weights = pooler.numbers + row * width
            for column in 0..<width { sum += weights[column] * state[column] }
            value += weight.numbers[row] * tanh(sum)
        }
        return value
    }
}
