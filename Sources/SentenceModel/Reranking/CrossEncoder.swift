public import AgentMemory

/// A model of the BERT family for sequence classification with one label, computed in this process:
/// it reads a query and a text together, and its value says how well the text answers the query.
///
/// As ``SentenceEmbedder``, it checks the files when it is made and does everything else on threads
/// of its own.
public final class CrossEncoder: Reranker {
    public struct Configuration: Sendable {
        /// The model's name in messages.
        public var name: String
        /// The folder with `config.json`, `model.safetensors`, `tokenizer.json` or `vocab.txt`.
        public var path: String
        /// Threads that compute. Default: 2.
        public var threads = 2
        /// How messages name ``threads``. Default: as it is called here.
        public var threadsName = "threads"
        /// For one call, with the time that it waits for others. Default: 1 s.
        public var deadline: Duration = .seconds(1)

        public init(name: String, path: String) {
            self.name = name
            self.path = path
        }
    }

    public let model: String
    private let deadline: Duration
    private let queue: EncodingQueue<PairEncoder>

    /// Reads the files that describe the model, and the table of the weights.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the file and what is missing,
    ///   damaged or not supported, or says what to install.
    public init(_ configuration: Configuration) throws(MemoryError) {
        guard SentenceEmbedder.threadsRange.contains(configuration.threads) else {
            let range = SentenceEmbedder.threadsRange
            throw MemoryError(
                .misconfigured,
                "\(configuration.threadsName) is \(configuration.threads); it can be \(range.lowerBound) to \(range.upperBound)"
            )
        }
        let folder = try ModelFolder(configuration.path)
        let shape = try ModelConfiguration(classifierIn: folder)
        let tokenizer = try WordPieceTokenizer(folder, limit: shape.vocabularySize)
        let file = try TensorFile(folder.file("model.safetensors"))
        let tensors = try BertTensors(file, shape)
        let head = try ClassifierTensors(file, shape)
        let library = try MatrixLibrary()
        model = configuration.name
        deadline = configuration.deadline
        queue = try EncodingQueue(
            name: configuration.name, noun: "reranking", threads: configuration.threads,
            threadsName: configuration.threadsName, isEager: true
        ) { () throws(MemoryError) in
            try PairEncoder(
                tokenizer: tokenizer, encoder: BertEncoder(tensors, shape, library: library),
                head: ClassifierHead(head), library: library, path: folder.path)
        }
    }

    deinit { queue.end() }

    public func scores(of texts: [String], for query: String) async throws -> [Double] {
        do {
            let pairs = texts.map { PairEncoder.Pair(query: query, text: $0) }
            return try await queue.results(of: pairs, within: deadline).map(Double.init)
        } catch let error as MemoryError where error.code == .embeddingFailed {
            throw MemoryError(.internalError, error.message, underlying: error.underlying)
        }
    }

    public func unavailability() async -> String? {
        switch queue.phase {
        case .unloaded, .loaded: nil
        case .loading: "the model \(model) is being loaded"
        case .failed(let reason): reason
        }
    }
}
