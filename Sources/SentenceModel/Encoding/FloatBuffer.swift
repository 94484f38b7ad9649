/// Memory for 32-bit numbers at a multiple of 64 bytes, for vector instructions.
///
/// `@unchecked Sendable`: a shared buffer is only read.
final class FloatBuffer: @unchecked Sendable {
    let count: Int
    let numbers: UnsafeMutablePointer<Float>
    private let memory: UnsafeMutableRawPointer

    init(count: Int) {
        self.count = count
        memory = .allocate(byteCount: max(1, count) * MemoryLayout<Float>.stride, alignment: 64)
        numbers = memory.initializeMemory(as: Float.self, repeating: 0, count: max(1, count))
    }

    /// The numbers of a tensor.
    convenience init(_ tensor: Tensor) {
        self.init(count: tensor.count)
        tensor.copy(0..<tensor.count, to: numbers)
    }

    /// The numbers of several tensors, one after the other.
    convenience init(joining tensors: [Tensor]) {
        self.init(count: tensors.reduce(0) { $0 + $1.count })
        var offset = 0
        for tensor in tensors {
            tensor.copy(0..<tensor.count, to: numbers + offset)
            offset += tensor.count
        }
    }

    deinit { memory.deallocate() }
}
