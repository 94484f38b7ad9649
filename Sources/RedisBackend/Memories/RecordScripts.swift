import AgentMemory
import RedisDriver

/// Scripts that decide on the server, together with the write, which records of a call are stored.
///
/// The fields of a record are one argument, packed (``PackedFields``), because a call can have many
/// records and a command only a million arguments.
enum RecordScripts {
    /// KEYS: for each record its key. ARGV: what the caller may reach (``OwnerScript``); for each
    /// record its fields; the stream of events and who writes (``EventScript``). Returns 1; or 0,
    /// with nothing written, if a stored record belongs to others.
    static let add = RedisScript(
        """
        #!lua
        \(OwnerScript.functions)\(EventScript.functions)
        eventsOf(ARGV[#ARGV - 1], ARGV[#ARGV])
        local scope = scopeOf(ARGV[1])
        for _, key in ipairs(KEYS) do
          if redis.call('EXISTS', key) == 1 and not reaches(scope, key) then return 0 end
        end
        for i, key in ipairs(KEYS) do
          local before = stored(key)
          redis.call('DEL', key)
          redis.call('HSET', key, unpack(cmsgpack.unpack(ARGV[i + 1])))
          noteWrite(key, before, '\(MemoryEvent.Kind.replaced.rawValue)')
        end
        return 1
        """)

    /// KEYS: for each record its key and the key of its claim. A claim has the key of the record
    /// that was recently stored with the same memory hash. ARGV: milliseconds that a claim lasts;
    /// for each record its memory hash and its fields; what the caller may reach (``OwnerScript``);
    /// the stream of events and who writes (``EventScript``). Returns 1 for each record that
    /// was stored, 0 for a duplicate; or -1 alone, with nothing written, if a stored record belongs
    /// to others.
    ///
    /// A claim counts as long as the record that it names has the hash. Records that were stored
    /// before the duration of a claim are found by the caller in the index.
    static let addDistinct = RedisScript(
        """
        #!lua
        \(OwnerScript.functions)\(EventScript.functions)
        eventsOf(ARGV[#ARGV - 1], ARGV[#ARGV])
        local scope = scopeOf(ARGV[#ARGV - 2])
        for i = 1, #KEYS, 2 do
          if redis.call('EXISTS', KEYS[i]) == 1 and not reaches(scope, KEYS[i]) then return {-1} end
        end
        local outcomes = {}
        for i = 1, #KEYS, 2 do
          local key, claim = KEYS[i], KEYS[i + 1]
          local hash, fields = ARGV[i + 1], ARGV[i + 2]
          local holder = redis.call('GET', claim)
          if holder and holder ~= key and redis.call('EXISTS', key) == 0
            and redis.call('HGET', holder, 'memory_hash') == hash then
            outcomes[#outcomes + 1] = 0
          else
            redis.call('SET', claim, key, 'PX', ARGV[1])
            local before = stored(key)
            redis.call('DEL', key)
            redis.call('HSET', key, unpack(cmsgpack.unpack(fields)))
            noteWrite(key, before, '\(MemoryEvent.Kind.replaced.rawValue)')
            outcomes[#outcomes + 1] = 1
          end
        end
        return outcomes
        """)

    /// KEYS: the notes of deletions; the key of each record. ARGV: the time from which deletions
    /// count, in microseconds since 1970; for each record its id, user id, namespace (empty for
    /// none), and its fields, or an empty string for one that is not expected to be stored; the
    /// stream of events and who writes (``EventScript``). Returns 1 and for each record an outcome
    /// (``outcome(_:)``). If a record to be stored came without fields, it writes nothing and
    /// returns 0 and the outcomes as they would have been.
    static let promote = RedisScript(
        """
        #!lua
        \(EventScript.functions)
        eventsOf(ARGV[#ARGV - 1], ARGV[#ARGV])
        local answer, writes = {1}, {}
        for i = 2, #KEYS do
          local key = KEYS[i]
          local at = 4 * i - 6
          local outcome = 1
          if redis.call('EXISTS', key) == 1 then
            local owner = redis.call('HMGET', key, 'user_id', 'namespace')
            outcome = ((owner[1] or '') == ARGV[at + 1] and (owner[2] or '') == ARGV[at + 2]) and 2 or 4
          else
            local deleted = redis.call('ZSCORE', KEYS[1], ARGV[at])
            if deleted and tonumber(deleted) >= tonumber(ARGV[1]) then outcome = 3 end
          end
          if outcome == 1 then
            if ARGV[at + 3] == '' then answer[1] = 0 end
            writes[#writes + 1] = {key, ARGV[at + 3]}
          end
          answer[#answer + 1] = outcome
        end
        if answer[1] == 1 then
          for _, write in ipairs(writes) do
            redis.call('HSET', write[1], unpack(cmsgpack.unpack(write[2])))
            noteWrite(write[1], nil, '\(MemoryEvent.Kind.added.rawValue)')
          end
        end
        return answer
        """)

    static func outcome(_ reply: RedisValue) throws -> PromotionOutcome {
        switch reply.integer {
        case 1: .stored
        case 2: .present
        case 3: .deleted
        case 4: .taken
        default: throw unknownAnswer
        }
    }

    static var unknownAnswer: MemoryError {
        MemoryError(.internalError, "the Redis server sent an unknown reply about records")
    }
}

/// Names and values, alternating, as MessagePack, which scripts can read: an array of strings with
/// lengths of four bytes.
struct PackedFields {
    private(set) var bytes: [UInt8] = []
    private var count: UInt32 = 0

    init() {
        bytes = [0xDD, 0, 0, 0, 0]
    }

    mutating func append(_ name: String, _ value: some Collection<UInt8>) {
        append(name.utf8)
        append(value)
        count += 2
        withUnsafeBytes(of: count.bigEndian) { bytes.replaceSubrange(1..<5, with: $0) }
    }

    private mutating func append(_ text: some Collection<UInt8>) {
        bytes.append(0xDB)
        withUnsafeBytes(of: UInt32(text.count).bigEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: text)
    }
}
