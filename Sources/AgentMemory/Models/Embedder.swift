/// Turns texts into vectors. Backends call it; the assembly of the server decides which model is
/// behind it.
public protocol Embedder: Sendable {
    /// The model's name as the settings spell it, such as `text-embedding-3-small` or
    /// `local/hashing-1024`.
    var model: String { get }
    /// The length of every vector.
    var dimensions: Int { get }

    /// One vector for each text, in order, each of ``dimensions`` finite values that are not all
    /// zero.
    ///
    /// An empty list gives an empty list without a call of the model.
    ///
    /// - Throws: ``MemoryError`` with code `embeddingFailed`, `embeddingRefused` or `timedOut`;
    ///   `CancellationError`.
    func embed(_ texts: [String]) async throws -> [[Float]]

    /// The vectors of ``embed(_:)``, each with the tokens of its text where ``tokenModelTag`` says
    /// that there are some.
    ///
    /// - Throws: as ``embed(_:)``.
    func encode(_ texts: [String]) async throws -> [TextEncoding]

    /// The ``TokenBits/modelTag`` of the tokens that ``encode(_:)`` gives; `nil` if it gives none.
    var tokenModelTag: UInt32? { get }

    /// Why the model cannot respond now, in one sentence without secrets; `nil` if it can.
    func unavailability() async -> String?
}

extension Embedder {
    public var tokenModelTag: UInt32? { nil }

    public func encode(_ texts: [String]) async throws -> [TextEncoding] {
        try await embed(texts).map { TextEncoding(vector: $0) }
    }

    /// ``embed(_:)`` with its result checked against the contract (rule R7): the number of vectors,
    /// their length, their values. A text of ``KnownVectors`` is not embedded.
    ///
    /// - Throws: ``MemoryError`` with code `embeddingFailed` that names the model and both lengths.
    public func checkedEmbeddings(of texts: [String]) async throws -> [[Float]] {
        try await checked(texts, \.self, { $0 }, by: embed)
    }

    /// ``encode(_:)`` with the answer checked as in ``checkedEmbeddings(of:)``.
    public func checkedEncodings(of texts: [String]) async throws -> [TextEncoding] {
        try await checked(texts, \.vector, { TextEncoding(vector: $0) }, by: encode)
    }

    /// Encodes the texts whose vectors are not known.
    private func checked<Encoding>(
        _ texts: [String], _ vector: KeyPath<Encoding, [Float]>, _ encoding: ([Float]) -> Encoding,
        by encode: ([String]) async throws -> [Encoding]
    ) async throws -> [Encoding] {
        let known = KnownVectors.current
        let missing = known.isEmpty ? texts : texts.filter { known[ExactString($0)] == nil }
        var made: [Encoding] = []
        if !missing.isEmpty {
            made = try await encode(missing)
            try check(made.map { $0[keyPath: vector] }, of: missing)
        }
        guard !known.isEmpty else { return made }
        var next = made.makeIterator()
        let all = texts.compactMap { known[ExactString($0)].map(encoding) ?? next.next() }
        try check(all.map { $0[keyPath: vector] }, of: texts)
        return all
    }

    private func check(_ vectors: [[Float]], of texts: [String]) throws(MemoryError) {
        guard vectors.count == texts.count else {
            throw MemoryError(
                .embeddingFailed,
                "the embedding model \(model) returned \(vectors.count) vectors for \(texts.count) texts")
        }
        for vector in vectors {
            guard vector.count == dimensions else {
                throw MemoryError(
                    .embeddingFailed,
                    "the embedding model \(model) returned a vector of \(vector.count) dimensions, the index has \(dimensions)"
                )
            }
            guard vector.allSatisfy(\.isFinite) else {
                throw MemoryError(.embeddingFailed, "the embedding model \(model) returned a value that is not finite")
            }
            guard vector.contains(where: { $0 != 0 }) else {
                throw MemoryError(.embeddingFailed, "the embedding model \(model) returned a vector of zeros")
            }
        }
    }
}
