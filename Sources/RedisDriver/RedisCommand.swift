/// A command and its arguments, any bytes, in one block of memory.
public struct RedisCommand: Sendable {
    /// The arguments as the protocol spells them, the command's name first.
    ///
    /// Spelled here and not by hiredis's formatter, which allocates a block for each command and
    /// prints each length with `sprintf`: a search reads a thousand hashes.
    private(set) var bytes: [UInt8] = []
    /// The number of arguments, the command's name included.
    public private(set) var count = 0

    /// - Parameter arguments: the command's name and its first arguments.
    public init(_ arguments: String...) {
        for argument in arguments { append(argument) }
    }

    /// - Parameter arguments: the command's name and its first arguments.
    public init(_ arguments: [String]) {
        for argument in arguments { append(argument) }
    }

    /// - Parameter bytes: of the arguments themselves, all together.
    public mutating func reserve(arguments: Int, bytes: Int) {
        self.bytes.reserveCapacity(self.bytes.count + bytes + arguments * Self.bytesAroundAnArgument)
    }

    public mutating func append(_ text: String) {
        Self.write("$", text.utf8.count, to: &bytes)
        bytes.append(contentsOf: text.utf8)
        endArgument()
    }

    public mutating func append(_ number: Int) { append(String(number)) }

    public mutating func append(bytes argument: some Collection<UInt8>) {
        Self.write("$", argument.count, to: &bytes)
        bytes.append(contentsOf: argument)
        endArgument()
    }

    public mutating func append(_ arguments: some Sequence<String>) {
        for argument in arguments { append(argument) }
    }

    /// Appends all arguments of another command, its name included: what many commands have in
    /// common is spelled once.
    public mutating func append(argumentsOf other: RedisCommand) {
        bytes.append(contentsOf: other.bytes)
        count += other.count
    }

    private mutating func endArgument() {
        bytes.append(UInt8(ascii: "\r"))
        bytes.append(UInt8(ascii: "\n"))
        count += 1
    }

    /// Appends the command as the protocol spells it.
    func write(to block: inout [UInt8]) {
        Self.write("*", count, to: &block)
        block.append(contentsOf: bytes)
    }

    /// The most that the protocol adds to the bytes of an argument, or of a whole command: a length
    /// and line ends.
    static let bytesAroundAnArgument = 23

    private static func write(_ type: Unicode.Scalar, _ number: Int, to block: inout [UInt8]) {
        block.append(UInt8(ascii: type))
        if number < 10 {
            block.append(UInt8(ascii: "0") + UInt8(number))
        } else {
            block.append(contentsOf: String(number).utf8)
        }
        block.append(UInt8(ascii: "\r"))
        block.append(UInt8(ascii: "\n"))
    }

    /// The arguments as texts, for tests of what is sent.
    public var arguments: [String] {
        var rest = bytes[...]
        var arguments: [String] = []
        while let end = rest.firstIndex(of: UInt8(ascii: "\r")) {
            let start = end + 2
            guard let length = Int(String(decoding: rest[(rest.startIndex + 1)..<end], as: UTF8.self)) else { break }
            arguments.append(String(decoding: bytes[start..<(start + length)], as: UTF8.self))
            rest = bytes[(start + length + 2)...]
        }
        return arguments
    }
}
