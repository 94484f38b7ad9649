/// What kind of memory a record is.
public enum MemoryType: String, Sendable, CaseIterable {
    /// A fact or a preference that is not tied to a time.
    case semantic
    /// Something that happened, usually with an event date.
    case episodic
    /// A message of a conversation, kept as it was said.
    case message
}
