import AgentMemory
import Testing

@testable import MemoryTransfer

@Suite struct ExportFormatTests {
    private static let date = Timestamp(parsing: "2026-03-04T05:06:07.000008Z") ?? .earliest

    private static func record(_ id: String, _ text: String = "Ada drinks tea") throws -> MemoryRecord {
        try MemoryRecord(
            id: id, text: text, sessionID: "s", userID: "ada", namespace: "n", memoryType: .episodic,
            topics: ["tea", "\u{202E}rtl"], entities: ["Ada"], extractedFrom: ["m1"], discreteMemoryExtracted: false,
            extractionStrategy: "summary", extractionStrategyConfig: ["a": [1, 2.50]],
            metadata: ["year": 2024, "big": .number(JSONNumber(uncheckedLiteral: "12345678901234567890.10"))],
            memoryHash: "abc", pinned: false, accessCount: 7, createdAt: date, lastAccessed: date, updatedAt: date,
            persistedAt: date, eventDate: date, expiresAt: .latest)
    }

    private static func session() throws -> WorkingMemory {
        WorkingMemory(
            key: try SessionKey(sessionID: "s/1", namespace: "n"),
            messages: [
                try SessionMessage(id: "m1", role: "user", content: "line\nbreak\u{2028} \"quoted\"", createdAt: date)
            ],
            memories: [
                SessionMemory(
                    try record("in session"), givenLists: [.topics, .entities, .extractedFrom], persistedAt: date)
            ], data: ["x": .null], context: "earlier", tokens: 3, strategy: MemoryStrategy(.custom, config: ["p": "q"]),
            ttlSeconds: 60, createdAt: date, updatedAt: date, lastAccessed: date)
    }

    /// An export with two records and a session.
    private static func export(vectors: Bool = false) throws -> [UInt8] {
        var writer = ExportWriter()
        let header = ExportHeader(
            id: "01ARZ3NDEKTSV4RRFFQ69G5FAV", server: "1", createdAt: date,
            space: EmbeddingSpace(model: "m", dimensions: 3), metric: .cosine,
            selection: try SnapshotSelection(namespace: "n", hasVectors: vectors), records: 2, sessions: nil)
        var bytes = writer.header(header)
        bytes += writer.records([
            SnapshotRecord(try record("a"), vector: vectors ? [1, -0.5, 3.25e-20] : nil),
            SnapshotRecord(try record("b", "NUL is not there: \\u0000 and 🫖")),
        ])
        bytes += writer.session(try session())
        return bytes + writer.end(isConsistent: true)
    }

    private static func read(_ bytes: [UInt8], pieces: Int = .max) throws -> [ExportReader.Line] {
        var reader = ExportReader()
        var lines: [ExportReader.Line] = []
        for start in stride(from: 0, to: bytes.count, by: max(1, min(pieces, bytes.count))) {
            reader.append(bytes[start..<min(bytes.count, start.addingReportingOverflow(pieces).partialValue)])
            while let line = try reader.next() { lines.append(line) }
        }
        try reader.finish()
        return lines
    }

    private static func refusal(_ bytes: [UInt8]) throws -> MemoryError {
        try #require(throws: MemoryError.self) { _ = try read(bytes) }
    }

    @Test(arguments: [1, 7, 100_000]) func `an export is read as it was written, in pieces of any size`(
        pieces: Int
    ) throws {
        let lines = try Self.read(try Self.export(vectors: true), pieces: pieces)
        #expect(lines.count == 5)
        guard case .header(let header) = lines[0], case .record(let a) = lines[1], case .record(let b) = lines[2],
            case .session(let session) = lines[3], case .end(let counts) = lines[4]
        else { throw MemoryError(.internalError, "the lines have other kinds") }
        #expect(header.namespace == "n" && header.hasVectors && header.records == 2 && header.sessions == nil)
        #expect(header.space == EmbeddingSpace(model: "m", dimensions: 3))
        #expect(a == SnapshotRecord(try Self.record("a"), vector: [1, -0.5, 3.25e-20]))
        #expect(b.record == (try Self.record("b", "NUL is not there: \\u0000 and 🫖")))
        #expect(session == (try Self.session()))
        #expect(counts.records == 2 && counts.sessions == 1 && counts.isConsistent)
    }

    @Test func `every way of cutting an export short is refused`() throws {
        let bytes = try Self.export()
        for count in stride(from: 0, to: bytes.count - 1, by: 13) {
            #expect(try Self.refusal(Array(bytes[..<count])).message.contains("cut short"))
        }
    }

    @Test func `a changed byte is refused`() throws {
        let bytes = try Self.export()
        let text = String(decoding: bytes, as: UTF8.self)
        let changed = text.replacing("Ada drinks tea", with: "Ada drinks tee", maxReplacements: 1)
        #expect(try Self.refusal(Array(changed.utf8)).message.contains("checksum"))
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let without = (lines[..<1] + lines[2...]).joined(separator: "\n")
        #expect(try Self.refusal(Array(without.utf8)).message.contains("says 2 records"))
        #expect(try Self.refusal(bytes + Array("x".utf8)).message.contains("goes on after its last line"))
    }

    @Test(
        arguments: [
            (
                #""created_at":"2026-03-04T05:06:07.000008Z","updated_at""#, #""created_at":7,"updated_at""#,
                "created_at"
            ),
            (#""pinned":false"#, #""pinned":"no""#, "pinned"),
            (#""access_count":7"#, #""access_count":-7"#, "access_count"),
            (#""topics":["tea","#, #""topics":["a,b","#, "topics"),
            (#""memory_type":"episodic""#, #""memory_type":"odd""#, "memory_type"),
            (#""text":"Ada drinks tea""#, #""text":" ""#, "text"),
            (#""text":"Ada drinks tea""#, #""text":"Ada\u0000""#, "text"),
            (#""entities":["Ada"]"#, #""entities":["Ada"],"mood":1"#, "mood"),
            (#""entities":["Ada"]"#, #""entities":["Ada"],"entities":["Bob"]"#, "JSON"),
        ]) func `a wrong value is refused with its line and its field`(
            sound: String, wrong: String, field: String
        ) throws
    {
        let text = String(decoding: try Self.export(), as: UTF8.self)
        #expect(text.contains(sound))
        let error = try Self.refusal(Array(text.replacing(sound, with: wrong, maxReplacements: 1).utf8))
        #expect(error.code == .invalidInput)
        #expect(error.message.contains("line 2") && error.message.contains(field))
        #expect(error.path.prefix(2) == [.key("line"), .index(2)])
    }

    @Test func `wrong values in a session are refused with their place`() throws {
        let text = String(decoding: try Self.export(), as: UTF8.self)
        let role = try Self.refusal(Array(text.replacing(#""role":"user""#, with: #""role":"""#).utf8))
        #expect(role.message.contains("line 4, messages[0]: role"))
        let ttl = try Self.refusal(Array(text.replacing(#""ttl_seconds":60"#, with: #""ttl_seconds":0"#).utf8))
        #expect(ttl.message.contains("line 4 has no readable ttl_seconds"))
    }

    @Test func `another format is refused`() throws {
        #expect(try Self.refusal(Array("{}\n".utf8)).message.contains("not that of an export"))
        let text = String(decoding: try Self.export(), as: UTF8.self)
        let newer = text.replacing(#""version":1"#, with: #""version":2"#, maxReplacements: 1)
        #expect(try Self.refusal(Array(newer.utf8)).message.contains("version 2"))
    }

    @Test func `vectors are exact, and others than those of the header are refused`() throws {
        for count in 1...9 {
            let vector = (0..<count).map { Float($0) * 0.1 - 0.3 + Float.leastNonzeroMagnitude }
            #expect(Base64Floats.decode(Base64Floats.encode(vector)) == vector)
        }
        #expect(Base64Floats.decode("AAAA") == nil)
        #expect(Base64Floats.decode("AAA\u{e9}") == nil)
        let text = String(decoding: try Self.export(vectors: true), as: UTF8.self)
        let longer = text.replacing(#""dimensions":3"#, with: #""dimensions":4"#, maxReplacements: 1)
        #expect(try Self.refusal(Array(longer.utf8)).message.contains("4 dimensions"))
    }

    @Test func `a new id is the same each time for one export, and another one for another`() throws {
        let id = NewID.of("a", in: "e")
        #expect(id == NewID.of("a", in: "e"))
        #expect(Set([id, NewID.of("b", in: "e"), NewID.of("a", in: "f")]).count == 3)
        #expect(id.utf8.count == 26)
    }
}
