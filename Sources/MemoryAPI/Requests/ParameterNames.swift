/// The parameters of an operation in addition to its body; all others are refused.
public struct ParameterNames: Sendable {
    /// May be given once, or several times with the same value.
    public let taken: [String]
    /// May have several values.
    public let lists: [String]
    /// Sent by the reference's clients, and without effect in the reference and here.
    public let ignored: [String]

    public init(taken: [String] = [], lists: [String] = [], ignored: [String] = []) {
        self.taken = taken
        self.lists = lists
        self.ignored = ignored
    }
}
