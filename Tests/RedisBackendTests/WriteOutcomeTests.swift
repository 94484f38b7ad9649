import AgentMemory
import RedisDriver
import Testing

@testable import RedisBackend

/// An answer that was lost leaves open what became of the write; whatever the server says instead,
/// it has not done it.
@Suite struct WriteOutcomeTests {
    @Test func `only what is certainly not done is said to be so`() {
        for code in [RedisError.Code.connectionLost, .timedOut, .closed, .protocolViolation] {
            #expect(RedisError(code, "x").memoryError.mayHaveBeenDone, "\(code)")
        }
        for text in ["OOM command not allowed", "READONLY You can't write", "LOADING", "NOPERM", "ERR wrong"] {
            #expect(!RedisError(server: text).memoryError.mayHaveBeenDone, "\(text)")
        }
        for code in [RedisError.Code.connectionFailed, .overloaded] {
            #expect(!RedisError(code, "x").memoryError.mayHaveBeenDone, "\(code)")
        }
    }

    @Test func `fields are packed as scripts read them`() {
        var fields = PackedFields()
        fields.append("a", [1, 2])
        fields.append("é", "".utf8)
        #expect(
            fields.bytes == [0xDD, 0, 0, 0, 4, 0xDB, 0, 0, 0, 1, 0x61, 0xDB, 0, 0, 0, 2, 1, 2] + [
                0xDB, 0, 0, 0, 2, 0xC3, 0xA9, 0xDB, 0, 0, 0, 0,
            ])
    }
}
