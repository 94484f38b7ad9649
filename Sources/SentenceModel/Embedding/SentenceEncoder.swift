import AgentMemory

/// Texts to vectors, on the calling thread: the tokenizer and the encoder of one model.
struct SentenceEncoder: PortionEncoder {
    private let tokenizer: WordPieceTokenizer
    private let encoder: BertEncoder
    private let library: MatrixLibrary
    /// Of the tokens that are given; `nil` if none are.
    private let tokenModelTag: UInt32?

    /// Tokens that are computed together at most, unless one text alone has more.
    private static let maximumTokens = 256

    /// - Throws: ``MemoryError`` with code `misconfigured` if the weights give no usable vector.
    init(
        tokenizer: WordPieceTokenizer, tensors: BertTensors, configuration: ModelConfiguration, library: MatrixLibrary,
        path: String, tokenModelTag: UInt32?
    ) throws(MemoryError) {
        self.tokenizer = tokenizer
        self.library = library
        self.tokenModelTag = tokenModelTag
        encoder = BertEncoder(tensors, configuration, library: library)
        // The first use of every weight reads it from the disk now, not during a request.
        library.prepareThread()
        let vector = results(of: ["a"], EncoderScratch())[0].vector
        guard vector.allSatisfy(\.isFinite), vector.contains(where: { $0 != 0 }) else {
            throw MemoryError(
                .misconfigured, "the weights of the model in \(path) are damaged: they give no finite vector")
        }
    }

    /// English has about five bytes per token.
    static func estimatedTokens(_ text: String) -> Int { 3 + text.utf8.count / 5 }

    /// Must be called once on each thread that calls ``results(of:_:)``.
    func prepareThread() { library.prepareThread() }

    func results(of texts: [String], _ scratch: EncoderScratch) -> [TextEncoding] {
        let maximum = encoder.configuration.maximumTokens
        var encodings: [TextEncoding] = []
        var batch: [(text: String, tokens: TokenizedText)] = []
        var tokens = 0
        func compute() {
            var bits: [EncodedTokens?] = []
            let vectors = encoder.vectors(of: batch.map(\.tokens.ids), scratch) { position, states in
                bits.append(encodedTokens(batch[position].text, batch[position].tokens, states))
            }
            encodings += zip(vectors, bits).map { TextEncoding(vector: $0, tokens: $1) }
            batch = []
            tokens = 0
        }
        for text in texts {
            let tokenized = tokenizer.tokens(of: text, maximum: maximum)
            if tokens > 0, tokens + tokenized.ids.count > Self.maximumTokens { compute() }
            batch.append((text, tokenized))
            tokens += tokenized.ids.count
        }
        if tokens > 0 { compute() }
        return encodings
    }

    /// The signs of the states of the tokens that stand for words.
    private func encodedTokens(
        _ text: String, _ tokens: TokenizedText, _ states: UnsafePointer<Float>
    ) -> EncodedTokens? {
        guard let tokenModelTag else { return nil }
        let hidden = encoder.configuration.hiddenSize
        let width = (hidden + 63) / 64
        var bits: [UInt64] = []
        var words: [String] = []
        let kept = tokens.words.enumerated().lazy.compactMap { row, span in span.map { (row, $0) } }
        for (row, span) in kept.prefix(TokenBits.maximumTokens) {
            let state = states + row * hidden
            for word in 0..<width {
                var signs: UInt64 = 0
                for bit in 0..<min(64, hidden - word * 64) where state[word * 64 + bit] >= 0 {
                    signs |= 1 << UInt64(bit)
                }
                bits.append(signs)
            }
            words.append(String(decoding: text.utf8.dropFirst(span.lowerBound).prefix(span.count), as: UTF8.self))
        }
        return EncodedTokens(bits: TokenBits(modelTag: tokenModelTag, width: width * 64, words: bits), words: words)
    }
}
