import AgentMemory

/// Reads a safetensors file: eight bytes with the length of a JSON header, the header, and the
/// tensors' bytes (https://github.com/huggingface/safetensors, "Format"). Lengths, offsets, shapes
/// and types are checked before any byte of a tensor is read, so that a damaged file is refused and
/// cannot crash the process.
struct TensorFile: Sendable {
    private struct Entry {
        let type: TensorType
        let shape: [Int]
        let range: Range<Int>
    }

    /// The limit of the published reader.
    private static let maximumHeaderLength = 100_000_000

    private let file: MappedFile
    private let entries: [ExactString: Entry]
    /// Where the tensors' bytes start in the file.
    private let start: Int

    /// - Throws: ``MemoryError`` with code `misconfigured` that names the file and what is wrong
    ///   with it.
    init(_ file: MappedFile) throws(MemoryError) {
        func refusal(_ reason: String) -> MemoryError {
            MemoryError(.misconfigured, "the model file \(file.path) is damaged: \(reason)")
        }
        let size = file.bytes.count
        guard size >= 8 else { throw refusal("it has \(size) bytes") }
        let length = UInt64(littleEndian: file.bytes.loadUnaligned(as: UInt64.self))
        guard length <= Self.maximumHeaderLength, length <= size - 8 else {
            throw refusal("its header would have \(length) bytes, the whole file has \(size)")
        }
        start = 8 + Int(length)
        let header: JSONValue
        do {
            header = try JSONValue(parsing: UnsafeRawBufferPointer(rebasing: file.bytes[8..<start]))
        } catch {
            throw refusal("its header is not JSON: \(error.message)")
        }
        guard let object = header.objectValue else { throw refusal("its header is not a JSON object") }
        var entries: [ExactString: Entry] = [:]
        for (name, value) in object.members where name != "__metadata__" {
            guard let entry = Self.entry(value, dataSize: size - start) else {
                throw refusal("the type, the shape and the offsets of the tensor \(name) do not fit together")
            }
            entries[ExactString(name)] = entry
        }
        // Without gaps and overlaps, to the last byte: this detects a truncated file.
        var end = 0
        for entry in entries.values.sorted(by: {
            ($0.range.lowerBound, $0.range.count) < ($1.range.lowerBound, $1.range.count)
        }) {
            guard entry.range.lowerBound == end else { throw refusal("its tensors overlap or leave gaps") }
            end = entry.range.upperBound
        }
        guard end == size - start else {
            throw refusal("its tensors have \(end) bytes, but there are \(size - start)")
        }
        self.file = file
        self.entries = entries
    }

    /// The header's entry for one tensor, if it is possible in a file with `dataSize` bytes of
    /// tensors.
    private static func entry(_ value: JSONValue, dataSize: Int) -> Entry? {
        guard let type = value["dtype"]?.stringValue.flatMap(TensorType.init(rawValue:)),
            let dimensions = value["shape"]?.arrayValue, let offsets = value["data_offsets"]?.arrayValue,
            offsets.count == 2, let lower = offsets[0].intValue, let upper = offsets[1].intValue,
            lower >= 0, lower <= upper, upper <= dataSize
        else { return nil }
        var shape: [Int] = []
        var bytes = type.size
        for dimension in dimensions {
            guard let count = dimension.intValue, count >= 0 else { return nil }
            let (product, overflow) = bytes.multipliedReportingOverflow(by: count)
            guard !overflow else { return nil }
            bytes = product
            shape.append(count)
        }
        guard bytes == upper - lower else { return nil }
        return Entry(type: type, shape: shape, range: lower..<upper)
    }

    func has(_ name: String) -> Bool { entries[ExactString(name)] != nil }

    /// A tensor of floating-point numbers of the given shape.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the file, the tensor and what
    ///   was expected.
    func tensor(_ name: String, shape: [Int]) throws(MemoryError) -> Tensor {
        guard let entry = entries[ExactString(name)] else {
            throw MemoryError(.misconfigured, "the model file \(file.path) has no tensor \(name)")
        }
        guard entry.shape == shape else {
            throw MemoryError(
                .misconfigured,
                "the model file \(file.path): the tensor \(name) has the shape \(entry.shape), config.json wants \(shape)"
            )
        }
        guard entry.type.isSupported else {
            throw MemoryError(
                .misconfigured,
                "the model file \(file.path): the tensor \(name) has the type \(entry.type.rawValue); F32, F16 and BF16 can be read"
            )
        }
        let range = start + entry.range.lowerBound..<start + entry.range.upperBound
        return Tensor(
            type: entry.type, shape: shape, bytes: UnsafeRawBufferPointer(rebasing: file.bytes[range]), owner: file)
    }
}

/// The types of numbers that safetensors files hold.
enum TensorType: String, Sendable {
    case bool = "BOOL"
    case u8 = "U8"
    case i8 = "I8"
    case u16 = "U16"
    case i16 = "I16"
    case f16 = "F16"
    case bf16 = "BF16"
    case u32 = "U32"
    case i32 = "I32"
    case f32 = "F32"
    case u64 = "U64"
    case i64 = "I64"
    case f64 = "F64"

    /// Bytes of one number.
    var size: Int {
        switch self {
        case .bool, .u8, .i8: 1
        case .u16, .i16, .f16, .bf16: 2
        case .u32, .i32, .f32: 4
        case .u64, .i64, .f64: 8
        }
    }

    /// Whether ``Tensor`` can read it.
    var isSupported: Bool { self == .f32 || self == .f16 || self == .bf16 }
}
