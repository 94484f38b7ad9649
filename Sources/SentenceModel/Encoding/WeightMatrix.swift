/// A matrix of weights, one row for each output number: at its place in the file if it can be used
/// there, which saves a copy, otherwise converted.
///
/// `@unchecked Sendable`: it is only read, and `owner` keeps the memory.
struct WeightMatrix: @unchecked Sendable {
    let numbers: UnsafePointer<Float>
    private let owner: any Sendable

    init(_ tensor: Tensor) {
        if let numbers = tensor.inPlace {
            self.numbers = numbers
            owner = tensor
        } else {
            let buffer = FloatBuffer(tensor)
            numbers = UnsafePointer(buffer.numbers)
            owner = buffer
        }
    }

    /// The rows of several matrices, one below the other.
    init(joining tensors: [Tensor]) {
        let buffer = FloatBuffer(joining: tensors)
        numbers = UnsafePointer(buffer.numbers)
        owner = buffer
    }
}
