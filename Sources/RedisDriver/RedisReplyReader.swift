import CHiredis

/// Splits a stream of bytes into replies, by hiredis's reader. Not thread-safe; its connection uses
/// it on one event loop.
final class RedisReplyReader {
    private let reader: UnsafeMutablePointer<redisReader>
    private let assembly: UnsafeMutablePointer<ReplyAssembly>

    /// An idle connection keeps no more than this many bytes of the largest reply it has read.
    private static let keptBytes = 1 << 20

    init() {
        guard let reader = redisReaderCreateWithFunctions(Self.functions) else { preconditionFailure("out of memory") }
        assembly = .allocate(capacity: 1)
        assembly.initialize(to: ReplyAssembly())
        reader.pointee.maxbuf = size_t(Self.keptBytes)
        reader.pointee.privdata = UnsafeMutableRawPointer(assembly)
        self.reader = reader
    }

    deinit {
        redisReaderFree(reader)
        assembly.deinitialize(count: 1)
        assembly.deallocate()
    }

    /// Adds received bytes.
    ///
    /// - Throws: ``RedisError`` with code `protocolViolation`; the reader cannot be used
    ///   afterwards.
    func feed(_ bytes: UnsafeRawBufferPointer) throws(RedisError) {
        guard let base = bytes.bindMemory(to: CChar.self).baseAddress else { return }
        guard redisReaderFeed(reader, base, bytes.count) == REDIS_OK else { throw violation() }
    }

    /// The next complete reply, if there is one.
    func next() throws(RedisError) -> RedisValue? {
        var reply: UnsafeMutableRawPointer?
        guard redisReaderGetReply(reader, &reply) == REDIS_OK else { throw violation() }
        return reply == nil ? nil : assembly.pointee.take()
    }

    private func violation() -> RedisError {
        // errstr describes the wrong byte, not the stream's content.
        let text = withUnsafePointer(to: &reader.pointee.errstr) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: 128) { String(cString: $0) }
        }
        return RedisError(.protocolViolation, "the server's reply is not RESP2", underlying: text)
    }

    /// What hiredis calls for each value it has read. Its own functions allocate an object for each
    /// first, and another one for its text.
    ///
    /// Never freed: all readers use it.
    private nonisolated(unsafe) static let functions: UnsafeMutablePointer<redisReplyObjectFunctions> = {
        var functions = redisReplyObjectFunctions()
        functions.createString = { task, text, length in
            let text = UnsafeRawBufferPointer(start: text, count: Int(length))
            return ReplyAssembly.add(to: task) {
                switch $0 {
                case REDIS_REPLY_STATUS: .status(String(decoding: text, as: UTF8.self))
                case REDIS_REPLY_ERROR: .error(RedisError(server: String(decoding: text, as: UTF8.self)))
                default: .bytes(Array(text))
                }
            }
        }
        functions.createArray = { task, count in ReplyAssembly.begin(in: task, count: Int(count)) }
        functions.createInteger = { task, number in ReplyAssembly.add(to: task) { _ in .integer(number) } }
        functions.createNil = { task in ReplyAssembly.add(to: task) { _ in .null } }
        // The objects are the assembly itself, which the reader owns.
        functions.freeObject = { _ in }
        let pointer = UnsafeMutablePointer<redisReplyObjectFunctions>.allocate(capacity: 1)
        pointer.initialize(to: functions)
        return pointer
    }()
}

/// A reply that is being read: hiredis hands over values in the order of the stream.
private struct ReplyAssembly {
    private struct Part {
        var elements: [RedisValue]
        /// The number of elements when it is complete.
        let count: Int
    }

    /// The arrays around the next value, the outermost first.
    private var open: [Part] = []
    private var complete: RedisValue?

    /// Room that is reserved for what an array says it has, before it has come.
    private static let reserved = 4096

    /// The complete reply.
    mutating func take() -> RedisValue? {
        defer { complete = nil }
        return complete
    }

    /// - Returns: something that is not null: hiredis takes null for a lack of memory.
    static func add(
        to task: UnsafePointer<redisReadTask>?, _ value: (_ type: CInt) -> RedisValue
    ) -> UnsafeMutableRawPointer? {
        guard let task, let own = task.pointee.privdata else { return nil }
        own.assumingMemoryBound(to: Self.self).pointee.add(value(task.pointee.type))
        return own
    }

    static func begin(in task: UnsafePointer<redisReadTask>?, count: Int) -> UnsafeMutableRawPointer? {
        guard let own = task?.pointee.privdata else { return nil }
        own.assumingMemoryBound(to: Self.self).pointee.begin(count)
        return own
    }

    private mutating func begin(_ count: Int) {
        guard count > 0 else { return add(.array([])) }
        var part = Part(elements: [], count: count)
        part.elements.reserveCapacity(min(count, Self.reserved))
        open.append(part)
    }

    private mutating func add(_ value: RedisValue) {
        var value = value
        while let last = open.indices.last {
            open[last].elements.append(value)
            guard open[last].elements.count == open[last].count else { return }
            value = .array(open.removeLast().elements)
        }
        complete = value
    }
}
