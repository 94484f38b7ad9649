import AgentMemory
import Prompts

/// A session's strategy with a configuration that can be used.
struct ExtractionStrategy: Sendable {
    /// The longest prompt of the strategy `custom`, in characters.
    static let longestPrompt = 10_000
    /// The longest of these prompts with the values of the configuration in it, in bytes of UTF-8.
    static let longestFilledPrompt = 100_000
    /// How often the conversation may stand in it.
    static let mostMessagePlaces = 10
    /// Words of a summary, if the session does not say how many.
    static let summaryLength = 500
    static let summaryVersion = "thread-summary-v1"

    /// The names that have a value in a prompt of the strategy `custom`. The configuration cannot
    /// change these values.
    static let builtInVariables = ["message", "current_datetime", "session_id", "namespace", "user_id"]

    let strategy: MemoryStrategy
    var name: MemoryStrategy.Name { strategy.name }
    /// Of the strategy `summary`, in words.
    let summaryLength: Int
    /// What every summary has among its topics.
    let summaryTopics: [String]
    let summaryVersion: String
    /// Of the strategy `custom`.
    let prompt: PromptTemplate?
    /// The values of the names in the prompt that the configuration sets.
    let variables: [String: String]

    /// - Throws: ``MemoryError`` with code `invalidInput` that names the member of the
    ///   configuration.
    init(_ strategy: MemoryStrategy) throws(MemoryError) {
        self.strategy = strategy
        let config = strategy.config
        func invalid(_ name: String, _ message: String) -> MemoryError {
            MemoryError(
                .invalidInput, message, path: [.key("long_term_memory_strategy"), .key("config"), .key(name)])
        }
        func member(_ name: String) -> JSONValue? { config[name].flatMap { $0.isNull ? nil : $0 } }
        var length = Self.summaryLength
        var topics: [String] = []
        var version = Self.summaryVersion
        if strategy.name == .summary {
            if let given = member("max_summary_length") {
                guard let words = given.intValue, (1...10_000).contains(words) else {
                    throw invalid("max_summary_length", "max_summary_length must be a number of words from 1 to 10000")
                }
                length = words
            }
            if let given = member("topics") {
                guard let texts = given.stringsValue else { throw invalid("topics", "topics must be a list of texts") }
                topics = texts
            }
            if let given = member("summary_version") {
                guard let text = given.stringValue else {
                    throw invalid("summary_version", "summary_version must be a text")
                }
                version = text
            }
        }
        summaryLength = length
        summaryTopics = topics
        summaryVersion = version
        guard strategy.name == .custom else {
            (prompt, variables) = (nil, [:])
            return
        }
        guard let text = member("custom_prompt")?.stringValue, !SearchQuery.isBlank(text) else {
            throw invalid("custom_prompt", "the strategy custom needs a custom_prompt")
        }
        guard text.count <= Self.longestPrompt else {
            throw invalid("custom_prompt", "custom_prompt must not be longer than \(Self.longestPrompt) characters")
        }
        var variables: [String: String] = [:]
        for (name, value) in config.members where name != "custom_prompt" {
            guard !Self.builtInVariables.contains(name) else {
                throw invalid(name, "\(name) is a value of the server's own")
            }
            // Any configuration is stored; only what can stand in a prompt is a variable.
            guard Self.isVariable(name) else { continue }
            switch value {
            case .string(let text): variables[name] = text
            case .number(let number): variables[name] = number.literal
            case .bool(let flag): variables[name] = flag ? "true" : "false"
            case .array, .object: variables[name] = value.jsonText
            case .null: variables[name] = ""
            }
        }
        let template = PromptTemplate(text, optionalPlaces: Self.builtInVariables + variables.keys.sorted())
        guard template.holds("message") else {
            throw invalid("custom_prompt", "custom_prompt must hold {message}, where the conversation stands")
        }
        if let unknown = Self.unknownVariable(in: text, known: Self.builtInVariables + variables.keys) {
            throw invalid(
                "custom_prompt",
                "custom_prompt holds {\(unknown)}, which has no value; there are \(Self.builtInVariables.joined(separator: ", ")) and the names in config"
            )
        }
        guard text.ranges(of: "{message}").count <= Self.mostMessagePlaces else {
            throw invalid(
                "custom_prompt", "custom_prompt must not hold {message} more than \(Self.mostMessagePlaces) times")
        }
        let filled = variables.reduce(text.utf8.count) { length, variable in
            length + text.ranges(of: "{\(variable.key)}").count * variable.value.utf8.count
        }
        guard filled <= Self.longestFilledPrompt else {
            throw invalid(
                "custom_prompt",
                "custom_prompt must not be longer than \(Self.longestFilledPrompt) bytes with the values of config")
        }
        prompt = template
        self.variables = variables
    }

    private static func isVariable(_ name: String) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { byte in
                byte == UInt8(ascii: "_") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            }
    }

    /// A name in braces that has no value. Braces around anything else, such as JSON, are text.
    private static func unknownVariable(in text: String, known: [String]) -> String? {
        for part in text.split(separator: "{", omittingEmptySubsequences: false).dropFirst() {
            guard let end = part.firstIndex(of: "}") else { continue }
            let name = String(part[..<end])
            if isVariable(name), !known.contains(name) { return name }
        }
        return nil
    }
}
