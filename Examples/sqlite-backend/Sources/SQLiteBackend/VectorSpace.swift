/// Which model the vectors of a file are from. Those of different models cannot be compared.
struct VectorSpace: Sendable, Equatable {
    let model: String
    let dimensions: Int
}
