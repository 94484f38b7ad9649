import AgentMemory
import ArgumentParser
import MemoryAPI
import MemoryService

/// `agent-memory search`: searches or lists memories in the store of the settings.
struct SearchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search", abstract: "Searches memories; without a text it lists them, newest first.")

    @Argument(help: "What to search for.")
    var text = ""

    @Option(name: [.short, .long], help: "Only memories of this namespace.")
    var namespace: String?

    @Option(name: [.short, .long], help: "Only memories of this session.")
    var sessionId: String?

    @Option(name: [.short, .long], help: "Only memories of this user; also --user.")
    var userId: String?

    @Option(name: .long, help: .hidden)
    var user: String?

    @Option(name: [.short, .long], help: "Topics, separated by commas; one of them must be there.")
    var topics: String?

    @Option(name: [.short, .long], help: "Entities, separated by commas; one of them must be there.")
    var entities: String?

    @Option(name: [.short, .long], help: "How many to show.")
    var limit = 10

    @Option(name: [.short, .long], help: "How many to skip.")
    var offset = 0

    @Option(help: "semantic, keyword, hybrid or blended.")
    var searchMode: String?

    @Option(help: "The share of the vector in a hybrid search, 0 to 1.")
    var hybridAlpha: Double?

    @Option(help: "How words are scored in keyword and hybrid searches.")
    var textScorer: String?

    @Option(name: [.short, .long], help: "The largest distance of a semantic search.")
    var distanceThreshold: Double?

    @Option(help: "text or json.")
    var format: OutputFormat = .text

    func validate() throws {
        if user != nil, userId != nil { throw ValidationError("--user and --user-id are the same; give one of them.") }
        do throws(MemoryError) {
            _ = try PageRequest(limit: limit, offset: offset)
        } catch {
            throw ValidationError("--limit or --offset: \(error.message)")
        }
        if distanceThreshold != nil, let searchMode, searchMode != "semantic" {
            throw ValidationError("--distance-threshold is only for semantic searches.")
        }
    }

    func run() async throws {
        let body = JSONValue.object(body)
        let format = format
        try await CommandStores.open { stores in
            do {
                let search = try SearchRequest.read(body)
                let found = try await stores.memory.search(search, for: CommandStores.caller("search"))
                switch format {
                case .json: print(String(decoding: MemoryPageResponse(found).bytes, as: UTF8.self))
                case .text: Self.show(found.page)
                }
            } catch let failure as ValidationFailure {
                throw Refusal(failure.commandLine)
            }
        }
    }

    /// The search as a client would send it.
    private var body: JSONObject {
        func list(_ text: String) -> JSONValue {
            ["any": .array(text.split(separator: ",").map { .string(String($0)) })]
        }
        var body: JSONObject = ["text": .string(text), "limit": .int(limit), "offset": .int(offset)]
        if let namespace { body["namespace"] = ["eq": .string(namespace)] }
        if let sessionId { body["session_id"] = ["eq": .string(sessionId)] }
        if let userId = userId ?? user { body["user_id"] = ["eq": .string(userId)] }
        if let topics { body["topics"] = list(topics) }
        if let entities { body["entities"] = list(entities) }
        if let searchMode { body["search_mode"] = .string(searchMode) }
        if let hybridAlpha { body["hybrid_alpha"] = .double(hybridAlpha) }
        if let textScorer { body["text_scorer"] = .string(textScorer) }
        if let distanceThreshold { body["distance_threshold"] = .double(distanceThreshold) }
        return body
    }

    private static func show(_ page: Page<SearchHit>) {
        print("Found \(page.total) memories (showing \(page.items.count)):")
        print(String(repeating: "=", count: 60))
        for (index, hit) in page.items.enumerated() {
            let record = hit.record
            print("\n[\(index + 1)] ID: \(record.id)")
            print("    Distance: \(fourDecimals(hit.distance))")
            if let namespace = record.namespace { print("    Namespace: \(namespace)") }
            if let session = record.sessionID { print("    Session: \(session)") }
            if let user = record.userID { print("    User: \(user)") }
            if !record.topics.isEmpty { print("    Topics: \(record.topics.joined(separator: ", "))") }
            if !record.entities.isEmpty { print("    Entities: \(record.entities.joined(separator: ", "))") }
            print("    Text: \(record.text)")
        }
    }

    private static func fourDecimals(_ number: Double) -> String {
        let scaled = Int((min(abs(number), 1e12) * 10_000).rounded())
        let fraction = String(scaled % 10_000)
        let zeros = String(repeating: "0", count: 4 - fraction.count)
        return "\(number < 0 && scaled > 0 ? "-" : "")\(scaled / 10_000).\(zeros)\(fraction)"
    }
}

extension ValidationFailure {
    /// What is wrong, as the command line shows it.
    fileprivate var commandLine: String {
        issues.map(\.message).joined(separator: "\n")
    }
}
