import AgentMemory
import Logging
import RedisDriver

/// The bits of tokens that records lack. No index knows which, so every key is looked at.
extension RedisMemoryDatabase {
    func completeTokens() async throws {
        guard let tag = embedder.tokenModelTag else { return }
        do {
            let completed = try await tokenSweep.turn {
                try await self.completeTokens(from: $0 ?? TokenScan(cursor: "0", seen: 0), tag)
            }
            if completed > 0 {
                logger.info("made the bits of tokens of older records", metadata: ["count": "\(completed)"])
            }
        } catch let error as MemoryError {
            logger.warning("older records were not prepared for late interaction", metadata: ["error": "\(error)"])
        }
    }

    /// Where a pass over the keys is.
    struct TokenScan: Sendable {
        let cursor: String
        /// Keys looked at so far.
        let seen: Int
    }

    private func completeTokens(from position: TokenScan, _ tag: UInt32) async throws -> TokenSweep<TokenScan>.Step {
        let (cursor, scanned, total, records) = try await reading { commands, _ in
            let total = try Self.total(try await client.send(commands.count(QueryText()), isRead: true))
            let (next, keys) = try await scannedKeys(from: position.cursor)
            let texts = try await self.texts(withoutTokensOf: tag, keys)
            return (next, keys.count, total, texts)
        }
        let encodings = try await embedder.checkedEncodings(of: records.map(\.text))
        let completions = zip(records, encodings).compactMap { record, encoding -> RedisCommand? in
            guard let tokens = encoding.tokens else { return nil }
            var command = RedisCommand("EVAL", Self.tokenCompletionScript, "1", record.key)
            command.append(record.text)
            command.append(bytes: tokens.bits.storedBytes)
            return command
        }
        let completed = try await mappingErrors {
            try await client.pipeline(completions).reduce(0) { $0 + (try $1.get().integer == 1 ? 1 : 0) }
        }
        let seen = position.seen + scanned
        return TokenSweep.Step(
            next: cursor == "0" ? nil : TokenScan(cursor: cursor, seen: seen),
            seen: cursor == "0" ? 1 : min(0.99, Double(seen) / Double(max(1, total))), completed: completed)
    }

    /// The texts of the records among these keys that have no bits of the model.
    private func texts(withoutTokensOf tag: UInt32, _ keys: [String]) async throws -> [(key: String, text: String)] {
        guard !keys.isEmpty else { return [] }
        let reply = try await client.evaluate(Self.missingTokensScript, keys: keys) { command in
            command.append(bytes: TokenBits.storedTag(tag))
        }
        let texts = reply.array ?? []
        return stride(from: 0, to: texts.count - 1, by: 2).compactMap { index in
            guard let position = texts[index].integer, keys.indices.contains(position - 1),
                let text = texts[index + 1].string
            else { return nil }
            return (keys[position - 1], text)
        }
    }

    /// KEYS: those of records. ARGV: the tag of the model. Returns the position and the text of
    /// each record without its bits.
    private static let missingTokensScript = RedisScript(
        """
        local missing = {}
        for i, key in ipairs(KEYS) do
          local bits = redis.pcall('HGET', key, '\(RecordHash.tokenBits)')
          -- An error is a table: another program keeps something else at the key.
          if type(bits) ~= 'table' then
            if not bits or string.sub(bits, \(TokenBits.storedTagOffset + 1), \(TokenBits.storedTagOffset + 4)) ~= ARGV[1] then
              local text = redis.call('HGET', key, 'text')
              if text then
                missing[#missing + 1] = i
                missing[#missing + 1] = text
              end
            end
          end
        end
        return missing
        """)

    private static let tokenCompletionScript = """
        if redis.call('HGET', KEYS[1], 'text') ~= ARGV[1] then return 0 end
        redis.call('HSET', KEYS[1], '\(RecordHash.tokenBits)', ARGV[2])
        return 1
        """
}
