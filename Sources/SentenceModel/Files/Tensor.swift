/// Numbers of a tensor as stored in the file: row by row, little-endian.
///
/// `@unchecked Sendable`: the bytes are only read, and `owner` keeps them.
struct Tensor: @unchecked Sendable {
    let type: TensorType
    let shape: [Int]
    private let bytes: UnsafeRawBufferPointer
    private let owner: MappedFile

    init(type: TensorType, shape: [Int], bytes: UnsafeRawBufferPointer, owner: MappedFile) {
        self.type = type
        self.shape = shape
        self.bytes = bytes
        self.owner = owner
    }

    var count: Int { shape.reduce(1, *) }

    /// Writes the numbers `range`, counted over all rows, to `destination`, as 32-bit floating
    /// point.
    func copy(_ range: Range<Int>, to destination: UnsafeMutablePointer<Float>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        guard let start = bytes.baseAddress, !range.isEmpty else { return }
        let source = start + range.lowerBound * type.size
        switch type {
        case .f32:
            UnsafeMutableRawPointer(destination).copyMemory(from: source, byteCount: range.count * 4)
        case .f16:
            for index in 0..<range.count {
                destination[index] = Self.float(f16: source.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
            }
        case .bf16:
            for index in 0..<range.count {
                let bits = source.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
                destination[index] = Float(bitPattern: UInt32(bits) << 16)
            }
        default:
            preconditionFailure("TensorFile gives out no other type")
        }
    }

    /// The numbers at their place in the file, if they can be used there: 32 bits each, at a
    /// multiple of 4.
    var inPlace: UnsafePointer<Float>? {
        guard type == .f32, let start = bytes.baseAddress, Int(bitPattern: start) % 4 == 0 else { return nil }
        return start.assumingMemoryBound(to: Float.self)
    }

    /// IEEE 754 binary16. `Float16` does not exist on every platform that Swift runs on.
    static func float(f16 bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) << 16
        let exponent = UInt32(bits >> 10) & 0x1F
        let fraction = UInt32(bits & 0x3FF)
        switch exponent {
        case 0:  // zero and subnormal numbers: fraction * 2^-24
            return Float(bitPattern: sign | (Float(fraction) * 0x1p-24).bitPattern)
        case 31:
            return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
        default:
            return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
        }
    }
}
