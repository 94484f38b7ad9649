/// A command and its arguments, any bytes, in one block of memory.
public struct RedisCommand: Sendable {
    /// The arguments one after another, the command's name first.
    private(set) var bytes: [UInt8] = []
    /// The end of each argument in ``bytes``.
    private(set) var ends: [Int] = []

    /// - Parameter arguments: the command's name and its first arguments.
    public init(_ arguments: String...) {
        for argument in arguments { append(argument) }
    }

    /// - Parameter arguments: the command's name and its first arguments.
    public init(_ arguments: [String]) {
        for argument in arguments { append(argument) }
    }

    public mutating func reserve(arguments: Int, bytes: Int) {
        ends.reserveCapacity(ends.count + arguments)
        self.bytes.reserveCapacity(self.bytes.count + bytes)
    }

    public mutating func append(_ text: String) {
        bytes.append(contentsOf: text.utf8)
        ends.append(bytes.count)
    }

    public mutating func append(_ number: Int) { append(String(number)) }

    public mutating func append(bytes argument: some Collection<UInt8>) {
        bytes.append(contentsOf: argument)
        ends.append(bytes.count)
    }

    public mutating func append(_ arguments: some Sequence<String>) {
        for argument in arguments { append(argument) }
    }

    /// The number of arguments, the command's name included.
    public var count: Int { ends.count }

    /// The arguments as texts, for tests of what is sent.
    public var arguments: [String] {
        var start = 0
        return ends.map { end in
            defer { start = end }
            return String(decoding: bytes[start..<end], as: UTF8.self)
        }
    }
}
