/// All prompts of a server. Each is built in; a folder can replace any of them.
public struct PromptSet: Sendable, Equatable {
    /// The name of a prompt: that of the file that replaces it, with `.txt` after it.
    public enum Name: String, Sendable, CaseIterable {
        case queryOptimization = "query_optimization"
        case extractionDiscrete = "extraction_discrete"
        case extractionPreferences = "extraction_preferences"
        case extractionSummary = "extraction_summary"
        /// What is said around the prompt of a session with the strategy `custom`.
        case extractionCustom = "extraction_custom"
        case jsonRepair = "json_repair"
        case sessionSummary = "session_summary"
        case summaryView = "summary_view"
        /// The instructions of a summary view without its own.
        case summaryViewDefault = "summary_view_default"
        case deduplication
        case tags

        /// The names that have a place in the prompt.
        public var places: [String] {
            switch self {
            case .queryOptimization: ["query"]
            case .extractionDiscrete, .extractionPreferences: ["earlier", "messages", "top_k_topics"]
            case .extractionSummary: ["earlier", "messages", "top_k_topics", "max_summary_length"]
            case .extractionCustom: ["instructions"]
            case .jsonRepair: ["prompt", "answer"]
            case .sessionSummary: ["prev_summary", "messages_joined"]
            case .summaryView: ["instructions", "group", "memories"]
            case .summaryViewDefault: []
            case .deduplication: ["memories"]
            case .tags: ["memories", "top_k_topics"]
            }
        }

        /// Those of them that a replacement may leave out.
        var dispensable: Set<String> {
            switch self {
            case .extractionDiscrete, .extractionPreferences, .extractionSummary:
                ["top_k_topics", "max_summary_length"]
            case .summaryView: ["group"]
            case .tags: ["top_k_topics"]
            default: []
            }
        }

        fileprivate var builtIn: [UInt8] {
            switch self {
            case .queryOptimization: PackageResources.query_optimization_v1_txt
            case .extractionDiscrete: PackageResources.extraction_discrete_v1_txt
            case .extractionPreferences: PackageResources.extraction_preferences_v1_txt
            case .extractionSummary: PackageResources.extraction_summary_v1_txt
            case .extractionCustom: PackageResources.extraction_custom_v1_txt
            case .jsonRepair: PackageResources.json_repair_v1_txt
            case .sessionSummary: PackageResources.session_summary_v1_txt
            case .summaryView: PackageResources.summary_view_v1_txt
            case .summaryViewDefault: PackageResources.summary_view_default_v1_txt
            case .deduplication: PackageResources.deduplication_v1_txt
            case .tags: PackageResources.tags_v1_txt
            }
        }
    }

    /// A replacement that cannot be used.
    public struct Refusal: Error, CustomStringConvertible {
        public let description: String

        public init(description: String) {
            self.description = description
        }
    }

    private var templates: [Name: PromptTemplate] = [:]

    /// The built-in prompts.
    public static let builtIn = PromptSet()

    private init() {
        for name in Name.allCases {
            templates[name] = PromptTemplate(
                String(decoding: name.builtIn, as: UTF8.self), optionalPlaces: name.places)
        }
    }

    /// The built-in prompts, with some replaced.
    ///
    /// - Parameter texts: by the names of their files, such as `session_summary.txt`.
    /// - Throws: ``Refusal`` for a file that is not a prompt, or lacks a place.
    public init(replacing texts: [String: String]) throws(Refusal) {
        self = .builtIn
        for (file, text) in texts.sorted(by: { $0.key < $1.key }) {
            guard file.hasSuffix(".txt"), let name = Name(rawValue: String(file.dropLast(4))) else {
                let known = Name.allCases.map { "\($0.rawValue).txt" }.joined(separator: ", ")
                throw Refusal(description: "\(file) is not the file of a prompt; there are \(known)")
            }
            try replace(name, by: text, called: file)
        }
    }

    /// Replaces one prompt.
    ///
    /// - Parameters:
    ///   - name: the prompt that is replaced.
    ///   - text: the new one.
    ///   - file: how a message calls it.
    /// - Throws: ``Refusal`` if it lacks a place.
    public mutating func replace(_ name: Name, by text: String, called file: String) throws(Refusal) {
        let template = PromptTemplate(text, optionalPlaces: name.places)
        for place in name.places where !template.holds(place) && !name.dispensable.contains(place) {
            throw Refusal(description: "\(file): the prompt must hold {\(place)}")
        }
        templates[name] = template
    }

    public subscript(name: Name) -> PromptTemplate {
        guard let template = templates[name] else { preconditionFailure("every prompt is built in") }
        return template
    }
}

extension PromptTemplate {
    /// Rewrites a query for semantic search; its place is `query`.
    public static let queryOptimization = PromptSet.builtIn[.queryOptimization]
}
