public import AgentMemory

/// A sentence-transformers model of the BERT family, computed in this process.
///
/// The files are checked when it is made. The weights are read, and a first vector is computed, on
/// the embedder's own threads, and so is everything after: no call blocks a thread of Swift's.
public final class SentenceEmbedder: Embedder {
    public struct Configuration: Sendable {
        /// The model's name in messages and in the store.
        public var name: String
        /// The folder with `config.json`, `model.safetensors`, `tokenizer.json` or `vocab.txt`,
        /// `1_Pooling/config.json`.
        public var path: String
        /// Threads that compute. Default: 2.
        public var threads = 2
        /// How messages name ``threads``. Default: by its name here.
        public var threadsName = "threads"
        /// Whether the weights are read at once, and not with the first text. Default: yes.
        public var loadsAtStart = true
        /// Whether ``SentenceEmbedder/encode(_:)`` gives tokens. Default: yes.
        public var givesTokens = true
        /// For one call, including the time that it waits for others. Default: 60 s.
        public var deadline: Duration = .seconds(60)

        public init(name: String, path: String) {
            self.name = name
            self.path = path
        }
    }

    /// The supported numbers of threads.
    public static let threadsRange = 1...64

    public let model: String
    public let dimensions: Int
    /// Tokens of one text that count, including the first and the last, which mark it.
    public let maximumTokens: Int
    /// The library that computes the products of matrices, as it describes itself.
    public let libraryVersion: String?
    public let tokenModelTag: UInt32?
    private let deadline: Duration
    private let queue: EncodingQueue<SentenceEncoder>

    /// Reads the files that describe the model, and the table of the weights.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the file and what is missing,
    ///   damaged or not supported, or says what to install.
    public init(_ configuration: Configuration) throws(MemoryError) {
        guard Self.threadsRange.contains(configuration.threads) else {
            let range = Self.threadsRange
            throw MemoryError(
                .misconfigured,
                "\(configuration.threadsName) is \(configuration.threads); it can be \(range.lowerBound) to \(range.upperBound)"
            )
        }
        let folder = try ModelFolder(configuration.path)
        let shape = try ModelConfiguration(folder)
        let tokenizer = try WordPieceTokenizer(folder, limit: shape.vocabularySize)
        let tensors = try BertTensors(TensorFile(folder.file("model.safetensors")), shape)
        let library = try MatrixLibrary()
        model = configuration.name
        dimensions = shape.hiddenSize
        maximumTokens = shape.maximumTokens
        libraryVersion = library.version
        deadline = configuration.deadline
        let tag = configuration.givesTokens ? TokenBits.tag(ofModel: configuration.name) : nil
        tokenModelTag = tag
        queue = try EncodingQueue(
            name: configuration.name, noun: "embedding", threads: configuration.threads,
            threadsName: configuration.threadsName,
            isEager: configuration.loadsAtStart
        ) { () throws(MemoryError) in
            try SentenceEncoder(
                tokenizer: tokenizer, tensors: tensors, configuration: shape, library: library, path: folder.path,
                tokenModelTag: tag)
        }
    }

    deinit { queue.end() }

    /// The state of the model between its files and its first vector.
    var phase: EncodingQueue<SentenceEncoder>.Phase { queue.phase }

    /// Texts of all calls that no thread has taken yet.
    var waitingTexts: Int { queue.waitingTexts }

    public func embed(_ texts: [String]) async throws -> [[Float]] {
        try await encode(texts).map(\.vector)
    }

    public func encode(_ texts: [String]) async throws -> [TextEncoding] {
        try await queue.results(of: texts, within: deadline)
    }

    /// A model that is read with the first text counts as ready before that.
    public func unavailability() async -> String? {
        switch phase {
        case .unloaded, .loaded: nil
        case .loading: "the model \(model) is being loaded"
        case .failed(let reason): reason
        }
    }
}
