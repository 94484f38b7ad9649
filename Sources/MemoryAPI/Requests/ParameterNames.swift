/// The parameters that an operation takes next to its body; anything else is refused.
public struct ParameterNames: Sendable {
    /// Taken once, or several times with the same value.
    public let taken: [String]
    /// May have several values.
    public let lists: [String]
    /// Sent by the reference's clients, and without meaning to the reference and here.
    public let ignored: [String]

    public init(taken: [String] = [], lists: [String] = [], ignored: [String] = []) {
        self.taken = taken
        self.lists = lists
        self.ignored = ignored
    }
}
