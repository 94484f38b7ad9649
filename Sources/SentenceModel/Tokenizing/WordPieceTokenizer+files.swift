import AgentMemory

extension WordPieceTokenizer {
    /// Reads `tokenizer.json`, or, if there is none, `vocab.txt` with the settings of
    /// `tokenizer_config.json`.
    ///
    /// - Parameter limit: Ids must be below it: there are as many embeddings.
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the file and what is missing
    ///   or not supported.
    init(_ folder: ModelFolder, limit: Int) throws(MemoryError) {
        if let file = try folder.objectIfPresent("tokenizer.json") {
            try self.init(file, limit: limit)
        } else if folder.has("vocab.txt") {
            try self.init(
                vocabulary: folder.file("vocab.txt"), configuration: folder.objectIfPresent("tokenizer_config.json"),
                limit: limit)
        } else {
            throw MemoryError(
                .misconfigured, "the model folder \(folder.path) has no tokenizer: neither tokenizer.json nor vocab.txt"
            )
        }
    }

    // MARK: tokenizer.json

    private init(_ file: JSONFile, limit: Int) throws(MemoryError) {
        guard let model = file["model"], let members = model["vocab"]?.objectValue?.members, !members.isEmpty,
            model["type"]?.stringValue ?? "WordPiece" == "WordPiece"
        else { throw file.refusal("has another tokenizer than WordPiece, the only one supported") }
        guard file["normalizer"]?["type"]?.stringValue == "BertNormalizer",
            file["pre_tokenizer"]?["type"]?.stringValue == "BertPreTokenizer"
        else { throw file.refusal("prepares texts differently from BERT, which is not supported") }
        var pieces: [(piece: String, id: Int)] = []
        pieces.reserveCapacity(members.count)
        for (piece, value) in members {
            guard let id = value.intValue else { throw file.refusal("has a token without an id") }
            pieces.append((piece, id))
        }
        var literals: [(text: String, id: Int)] = []
        for token in file["added_tokens"]?.arrayValue ?? [] {
            guard let text = token["content"]?.stringValue, let id = token["id"]?.intValue else {
                throw file.refusal("has an added token without a text or an id")
            }
            // Whether blanks around it belong to it makes no difference here: they are not tokens.
            guard token["normalized"] != .bool(true), token["single_word"] != .bool(true) else {
                throw file.refusal(
                    "has the added token \(text), which is to be found in normalised text; that is not supported")
            }
            literals.append((text, id))
        }
        let normalizer = file["normalizer"]
        var settings = Settings()
        settings.cleansText = normalizer?["clean_text"]?.boolValue ?? true
        settings.separatesIdeographs = normalizer?["handle_chinese_chars"]?.boolValue ?? true
        settings.lowercases = normalizer?["lowercase"]?.boolValue ?? true
        settings.stripsAccents = normalizer?["strip_accents"]?.boolValue ?? settings.lowercases
        settings.maximumCharactersPerWord = max(1, model["max_input_chars_per_word"]?.intValue ?? 100)
        try self.init(
            pieces, literals: literals, settings: settings, unknown: model["unk_token"]?.stringValue ?? "[UNK]",
            continuationPrefix: model["continuing_subword_prefix"]?.stringValue ?? "##", limit: limit, path: file.path)
    }

    // MARK: vocab.txt

    private init(vocabulary: MappedFile, configuration: JSONFile?, limit: Int) throws(MemoryError) {
        guard let text = String(validating: vocabulary.bytes, as: UTF8.self) else {
            throw MemoryError(.misconfigured, "the model file \(vocabulary.path) is not UTF-8")
        }
        // One token per line; a token may contain characters that Swift treats as the end of a
        // line, such as U+2028.
        var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        var pieces: [(piece: String, id: Int)] = []
        pieces.reserveCapacity(lines.count)
        for (id, line) in lines.enumerated() {
            let bytes = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            pieces.append((String(decoding: bytes, as: UTF8.self), id))
        }
        var settings = Settings()
        settings.separatesIdeographs = configuration?["tokenize_chinese_chars"]?.boolValue ?? true
        settings.lowercases = configuration?["do_lower_case"]?.boolValue ?? true
        settings.stripsAccents = configuration?["strip_accents"]?.boolValue ?? settings.lowercases
        let special: Set<String> = ["[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"]
        try self.init(
            pieces, literals: pieces.filter { special.contains($0.piece) }.map { ($0.piece, $0.id) },
            settings: settings,
            unknown: "[UNK]", continuationPrefix: "##", limit: limit, path: vocabulary.path)
    }

    private init(
        _ pieces: [(piece: String, id: Int)], literals: [(text: String, id: Int)], settings: Settings, unknown: String,
        continuationPrefix: String, limit: Int, path: String
    ) throws(MemoryError) {
        if let id = (pieces.map(\.id) + literals.map(\.id)).first(where: { !(0..<limit).contains($0) }) {
            throw MemoryError(
                .misconfigured,
                "the model file \(path) has the token id \(id), but config.json has a vocab_size of \(limit)")
        }
        let vocabulary = WordPieceVocabulary(pieces, continuationPrefix: continuationPrefix)
        func id(_ token: String) throws(MemoryError) -> Int32 {
            guard let id = vocabulary.id(of: token) else {
                throw MemoryError(.misconfigured, "the model file \(path) has no token \(token)")
            }
            return id
        }
        self.init(
            vocabulary: vocabulary, settings: settings, unknown: try id(unknown), first: try id("[CLS]"),
            last: try id("[SEP]"),
            literals: literals.map { LiteralToken(text: Array($0.text.utf8), id: Int32($0.id)) })
    }
}
