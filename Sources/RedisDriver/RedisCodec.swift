import CHiredis

extension RedisCommand {
    /// Appends the command as the protocol spells it.
    ///
    /// Not by hiredis's formatter, which allocates a block for each command and prints each length
    /// with `sprintf`: a search reads a thousand hashes.
    func write(to block: inout [UInt8]) {
        func head(_ type: Unicode.Scalar, _ number: Int) {
            block.append(UInt8(ascii: type))
            block.append(contentsOf: String(number).utf8)
            block.append(contentsOf: Self.lineEnd)
        }
        head("*", ends.count)
        var start = 0
        for end in ends {
            head("$", end - start)
            block.append(contentsOf: bytes[start..<end])
            block.append(contentsOf: Self.lineEnd)
            start = end
        }
    }

    private static let lineEnd: [UInt8] = [UInt8(ascii: "\r"), UInt8(ascii: "\n")]
}

/// Splits a stream of bytes into replies, by hiredis's reader. Not thread-safe; its connection uses
/// it on one event loop.
final class RedisReplyReader {
    private let reader: UnsafeMutablePointer<redisReader>

    /// An idle connection keeps no more than this many bytes of the largest reply it has read.
    private static let keptBytes = 1 << 20

    init() {
        guard let reader = redisReaderCreate() else { preconditionFailure("out of memory") }
        reader.pointee.maxbuf = size_t(Self.keptBytes)
        self.reader = reader
    }

    deinit {
        redisReaderFree(reader)
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
        guard let reply else { return nil }
        defer { freeReplyObject(reply) }
        return Self.value(of: reply.assumingMemoryBound(to: redisReply.self))
    }

    private func violation() -> RedisError {
        // errstr describes the wrong byte, not the stream's content.
        let text = withUnsafePointer(to: &reader.pointee.errstr) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: 128) { String(cString: $0) }
        }
        return RedisError(.protocolViolation, "the server's reply is not RESP2", underlying: text)
    }

    private static func value(of reply: UnsafeMutablePointer<redisReply>) -> RedisValue {
        switch reply.pointee.type {
        case REDIS_REPLY_STRING:
            return .bytes(Array(text(of: reply)))
        case REDIS_REPLY_STATUS:
            return .status(String(decoding: text(of: reply), as: UTF8.self))
        case REDIS_REPLY_ERROR:
            return .error(RedisError(server: String(decoding: text(of: reply), as: UTF8.self)))
        case REDIS_REPLY_INTEGER:
            return .integer(reply.pointee.integer)
        case REDIS_REPLY_ARRAY:
            let count = Int(reply.pointee.elements)
            guard count > 0, let elements = reply.pointee.element else { return .array([]) }
            return .array(
                [RedisValue](unsafeUninitializedCapacity: count) { buffer, initialized in
                    for i in 0..<count {
                        buffer.initializeElement(at: i, to: elements[i].map { value(of: $0) } ?? .null)
                    }
                    initialized = count
                })
        default:
            // Only nil is left: RESP3 is never requested.
            return .null
        }
    }

    private static func text(of reply: UnsafeMutablePointer<redisReply>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: reply.pointee.str, count: Int(reply.pointee.len))
    }
}
