/// A write of one record that is computed from its earlier state, for
/// ``RecordHistory/rewrite(_:within:)``.
public struct RecordRewrite: Sendable {
    public let id: String
    /// The record from now on; `nil` removes it.
    public let record: MemoryRecord?
    /// The number of the latest event of the id when the state was read; 0 for none.
    public let latestEvent: Int

    public init(id: String, record: MemoryRecord?, latestEvent: Int) {
        self.id = id
        self.record = record
        self.latestEvent = latestEvent
    }
}
