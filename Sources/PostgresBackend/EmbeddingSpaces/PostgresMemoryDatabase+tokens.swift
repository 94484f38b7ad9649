import AgentMemory
import Logging
import PostgresDriver

/// The bits of tokens that records lack.
extension PostgresMemoryDatabase {
    func completeTokens() async throws {
        // In a spread store every record was written with its bits: it has one model.
        guard let tag = embedder.tokenModelTag, layout != .spread else { return }
        do {
            let completed = try await tokenSweep.turn { try await self.completeTokens(from: $0 ?? 0, tag) }
            if completed > 0 {
                logger.info("made the bits of tokens of older records", metadata: ["count": "\(completed)"])
            }
        } catch let error as MemoryError {
            logger.warning("older records were not prepared for late interaction", metadata: ["error": "\(error)"])
        }
    }

    private func completeTokens(from position: Int, _ tag: UInt32) async throws -> TokenSweep<Int>.Step {
        let last = try await database.query(
            PostgresStatement("SELECT coalesce(max(number), 0) FROM memories"), retry: .repeatable,
            deadline: database.deadline
        ).singleRow().int(0)
        let rows = try await database.query(
            Self.missingTokens(tag, from: position), retry: .repeatable, deadline: database.deadline
        ).rows
        let records = try rows.map { (number: try $0.int(0), text: try $0.text(1)) }
        let encodings = try await embedder.checkedEncodings(of: records.map(\.text))
        let statements = zip(records, encodings).compactMap { record, encoding in
            encoding.tokens.map { Self.tokenCompletion(of: record.number, record.text, $0.bits) }
        }
        var completed = 0
        if !statements.isEmpty {
            let results = try await database.pipeline(
                statements, retry: .repeatable, deadline: database.deadline,
                perStatement: database.configuration.timeout)
            completed = results.reduce(0) { $0 + $1.affectedRows }
        }
        let end =
            records.count < Self.tokenBatch
            ? position.adding(Self.tokenWindow) : (records.last?.number ?? position).adding(1)
        return TokenSweep.Step(
            next: end > last ? nil : end, seen: min(1, Double(end) / Double(max(1, last))), completed: completed)
    }

    /// How many numbers one look spans: it must end within the time of a call.
    private static let tokenWindow = 20_000
    /// Texts that are encoded at once.
    private static let tokenBatch = 64

    /// Rows: number and text of records without bits of the model, by number.
    private static func missingTokens(_ tag: UInt32, from position: Int) -> PostgresStatement {
        var sql = SQLBuilder()
        let from = sql.bind(position)
        let end = sql.bind(position.adding(tokenWindow))
        let tag = sql.bind(.bytes(TokenBits.storedTag(tag)))
        return sql.statement(
            """
            SELECT m.number, m.text FROM memories m WHERE m.number >= \(from) AND m.number < \(end) \
            AND NOT EXISTS (SELECT FROM memory_tokens t WHERE t.number = m.number \
            AND substring(t.bits FROM \(TokenBits.storedTagOffset + 1) FOR 4) = \(tag)) \
            ORDER BY m.number LIMIT \(tokenBatch)
            """)
    }

    /// Stores the bits of a text if the record still has that text. A record that is being
    /// written at this moment is left out: its writer stores its own.
    private static func tokenCompletion(of number: Int, _ text: String, _ bits: TokenBits) -> PostgresStatement {
        var sql = SQLBuilder()
        let number = sql.bind(number)
        let text = sql.bind(text)
        let bits = sql.bind(.bytes(bits.storedBytes))
        return sql.statement(
            """
            WITH same AS (SELECT number FROM memories WHERE number = \(number) AND text = \(text) \
            FOR NO KEY UPDATE SKIP LOCKED) \
            INSERT INTO memory_tokens (number, bits) SELECT number, \(bits) FROM same \
            ON CONFLICT (number) DO UPDATE SET bits = excluded.bits
            """)
    }
}
