import AgentMemory
import ArgumentParser
import BackendHarnesses
import Logging
import MemoryConformance
import Settings

/// `agent-memory backend measure`: how long the operations of a loaded backend take, from the
/// server's side of the border.
struct BackendMeasureCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "measure",
        abstract: "Measures the operations of a loaded backend, in a scope of its own.",
        discussion: """
            One call after the other, without HTTP; embeddings come from memory. Prints a line for each operation: the median and the 99th percentile in \
            milliseconds.
            """)

    @Option(help: "How many records to store.")
    var records = 1000

    @Option(help: "The length of the vectors; by default that of the configured embedding model.")
    var dimensions: Int?

    @Option(help: "How many calls of each operation.")
    var calls = 1000

    func validate() throws {
        if !(1...100_000).contains(records) { throw ValidationError("--records must be between 1 and 100000") }
        if let dimensions, !(1...32_768).contains(dimensions) {
            throw ValidationError("--dimensions must be between 1 and 32768")
        }
        if !(1...1_000_000).contains(calls) { throw ValidationError("--calls must be between 1 and 1000000") }
    }

    func run() async throws {
        try await Refusal.wrapping {
            let settings = try Settings.start()
            let assembly = Assembly(settings: settings, logger: Logger(label: "agent-memory"))
            let harness = LoadedHarness(settings.stores.factory, name: settings.stores.factory, loader: assembly.loader)
            let dimensions = try dimensions ?? assembly.dimensions()
            let scoped = try await harness.makeDatabase(embedder: FixedEmbedder(dimensions: dimensions))
            do {
                try await measure(scoped.database)
            } catch {
                try? await scoped.remove()
                throw error
            }
            try await scoped.remove()
        }
    }

    private func measure(_ backend: any MemoryVectorDatabase) async throws {
        for start in stride(from: 0, to: records, by: 100) {
            let batch = try (start..<min(start + 100, records)).map { number in
                try MemoryRecord(
                    id: "measure-\(number)", text: "note \(number) about the weather", userID: "user-\(number % 10)",
                    topics: ["weather", "notes"])
            }
            _ = try await backend.add(batch)
        }
        let page = try PageRequest(limit: 10)
        let search = try SearchQuery(
            text: "what about the weather?", ranking: .semantic(distanceThreshold: nil), page: page)
        try await time("search") { _ = try await backend.search(search) }
        try await time("list") { _ = try await backend.list(ListQuery(page: page)) }
        try await time("count") { _ = try await backend.count(.everything) }
    }

    private func time(_ name: String, _ call: () async throws -> Void) async throws {
        for _ in 0..<min(calls, 50) { try await call() }
        var durations: [Duration] = []
        for _ in 0..<calls { durations.append(try await ContinuousClock().measure { try await call() }) }
        durations.sort()
        let median = durations[durations.count / 2] / .milliseconds(1)
        let high = durations[durations.count * 99 / 100] / .milliseconds(1)
        print("\(name)\tp50_ms \(median)\tp99_ms \(high)")
    }
}

/// One vector for every text, made before the clock starts.
private struct FixedEmbedder: Embedder {
    let model = "fixed"
    let dimensions: Int
    private let vector: [Float]

    init(dimensions: Int) {
        self.dimensions = dimensions
        vector = (0..<dimensions).map { Float($0 % 7 + 1) / 8 }
    }

    func embed(_ texts: [String]) async throws -> [[Float]] { texts.map { _ in vector } }
    func unavailability() async -> String? { nil }
}
