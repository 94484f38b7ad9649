import AgentMemory
import Metering

/// Counts the calls of a model.
struct MeasuredReranker: Reranker {
    private let base: any Reranker
    private let meter: CallMeter

    init(_ base: any Reranker, meter: CallMeter) {
        self.base = base
        self.meter = meter
    }

    var model: String { base.model }

    func scores(of texts: [String], for query: String) async throws -> [Double] {
        try await meter.measure { try await base.scores(of: texts, for: query) }
    }

    func unavailability() async -> String? { await base.unavailability() }
}
