/// Memory for the encoder's intermediate results. It belongs to one thread and grows to the largest
/// need so far.
final class EncoderScratch {
    /// A row for each token.
    private(set) var states = FloatBuffer(count: 0)
    /// Queries, keys and values.
    private(set) var attention = FloatBuffer(count: 0)
    private(set) var context = FloatBuffer(count: 0)
    private(set) var output = FloatBuffer(count: 0)
    private(set) var wide = FloatBuffer(count: 0)
    /// Of one head of one text.
    private(set) var scores = FloatBuffer(count: 0)
    private var rows = 0

    /// The distance from one row of scores to the next, in numbers: whole vectors.
    static func scoreStride(_ tokens: Int) -> Int { (tokens + 7) / 8 * 8 }

    func reserve(rows: Int, longest: Int, _ configuration: ModelConfiguration) {
        if rows > self.rows {
            self.rows = rows
            states = FloatBuffer(count: rows * configuration.hiddenSize)
            attention = FloatBuffer(count: rows * configuration.hiddenSize * 3)
            context = FloatBuffer(count: rows * configuration.hiddenSize)
            output = FloatBuffer(count: rows * configuration.hiddenSize)
            wide = FloatBuffer(count: rows * configuration.intermediateSize)
        }
        let needed = longest * Self.scoreStride(longest)
        if needed > scores.count { scores = FloatBuffer(count: needed) }
    }
}
