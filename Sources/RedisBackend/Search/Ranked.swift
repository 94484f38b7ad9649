import AgentMemory

/// A record with a value to rank it by.
struct Ranked: Sendable, Identifiable {
    let id: String
    let value: Double
    let distance: Double?

    /// Highest value first; ties by the bytes of the id.
    static func sorted(_ ranked: [Ranked]) -> [Ranked] {
        ranked.sorted { a, b in
            a.value != b.value ? a.value > b.value : a.id.utf8.lexicographicallyPrecedes(b.id.utf8)
        }
    }
}
