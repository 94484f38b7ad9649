import AgentMemory
import Metering

/// Counts the calls of a model.
struct MeasuredEmbedder: Embedder {
    private let base: any Embedder
    private let meter: CallMeter

    init(_ base: any Embedder, meter: CallMeter) {
        self.base = base
        self.meter = meter
    }

    var model: String { base.model }
    var dimensions: Int { base.dimensions }
    var tokenModelTag: UInt32? { base.tokenModelTag }

    func embed(_ texts: [String]) async throws -> [[Float]] {
        try await meter.measure { try await base.embed(texts) }
    }

    func encode(_ texts: [String]) async throws -> [TextEncoding] {
        try await meter.measure { try await base.encode(texts) }
    }

    func unavailability() async -> String? { await base.unavailability() }
}
