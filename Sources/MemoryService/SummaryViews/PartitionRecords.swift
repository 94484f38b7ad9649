import AgentMemory

/// The memories of one group: all of them counted, the newest kept for the model.
struct PartitionRecords: Sendable {
    private(set) var count = 0
    /// The newest first.
    private(set) var newest: [MemoryRecord] = []
    private var tokens = 0
    private var isFull = false
    private var sum: UInt64 = 0

    /// Adds a memory that is older than those before.
    mutating func add(_ record: MemoryRecord, within bounds: SummaryViews.Configuration, _ counter: TokenCounter) {
        count += 1
        sum &+= Self.hash("\(record.id)\u{1F}\(record.updatedAt.microseconds)")
        guard !isFull else { return }
        // The line has other members in addition to the text.
        tokens += counter.count(String(record.text.prefix(bounds.longestText))) + 60
        isFull = tokens > bounds.callTokens && !newest.isEmpty
        if !isFull { newest.append(record) }
    }

    /// Another one if the memories or the question have changed.
    func fingerprint(of view: SummaryView) -> String {
        Fingerprint.of(
            [String(count), String(sum), view.definition.prompt ?? "", view.definition.modelName ?? ""], length: 40)
    }

    /// FNV-1a.
    private static func hash(_ text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
