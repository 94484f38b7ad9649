import AgentMemory

/// Texts to vectors, on the calling thread: the tokenizer and the encoder of one model.
struct SentenceEncoder: PortionEncoder {
    private let tokenizer: WordPieceTokenizer
    private let encoder: BertEncoder
    private let library: MatrixLibrary

    /// Tokens that are computed together at most, unless one text alone has more.
    private static let maximumTokens = 256

    /// - Throws: ``MemoryError`` with code `misconfigured` if the weights give no usable vector.
    init(
        tokenizer: WordPieceTokenizer, tensors: BertTensors, configuration: ModelConfiguration, library: MatrixLibrary,
        path: String
    ) throws(MemoryError) {
        self.tokenizer = tokenizer
        self.library = library
        encoder = BertEncoder(tensors, configuration, library: library)
        // The first use of every weight: they are read from the disk now, and not when somebody
        // waits.
        library.prepareThread()
        let vector = results(of: ["a"], EncoderScratch())[0]
        guard vector.allSatisfy(\.isFinite), vector.contains(where: { $0 != 0 }) else {
            throw MemoryError(
                .misconfigured, "the weights of the model in \(path) are damaged: they give no finite vector")
        }
    }

    /// English has some five bytes a token.
    static func estimatedTokens(_ text: String) -> Int { 3 + text.utf8.count / 5 }

    func prepareThread() { library.prepareThread() }

    func results(of texts: [String], _ scratch: EncoderScratch) -> [[Float]] {
        let maximum = encoder.configuration.maximumTokens
        var vectors: [[Float]] = []
        var batch: [[Int32]] = []
        var tokens = 0
        func compute() {
            vectors += encoder.vectors(of: batch, scratch)
            batch = []
            tokens = 0
        }
        for text in texts {
            let ids = tokenizer.ids(of: text, maximum: maximum)
            if tokens > 0, tokens + ids.count > Self.maximumTokens { compute() }
            batch.append(ids)
            tokens += ids.count
        }
        if tokens > 0 { compute() }
        return vectors
    }
}
