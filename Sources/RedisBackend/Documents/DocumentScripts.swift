import RedisDriver

/// What is done to documents on the server, in one step each.
///
/// - `<prefix>:<kind>:<id>`: hash: `body` (JSON), `parent`, `namespace`, `user`, `revision`; absent
///   owners are empty, which an owner cannot be
/// - `<prefix>:<kind>-of:<parent>`: sorted set of ids, all with the score 0; those of expired
///   documents are removed when they are met
/// - `<prefix>:revision`: the last revision; begins at the time of the server, so that a store that
///   came back empty does not count through the same numbers again
enum DocumentScripts {
    /// KEYS: the document, the list of its parent, the revision. ARGV: what is expected (`any`,
    /// `absent` or a revision); seconds to live or nothing; id; body; parent; namespace; user; `1`
    /// for a document that is listed without a parent.
    /// Answers the new revision, or nothing.
    static let write = RedisScript(
        """
        #!lua
        local stored = redis.call('HGET', KEYS[1], 'revision')
        if ARGV[1] == 'absent' then
          if stored then return nil end
        elseif ARGV[1] ~= 'any' and ARGV[1] ~= stored then
          return nil
        end
        local time = redis.call('TIME')
        if redis.call('EXISTS', KEYS[3]) == 0 then
          redis.call('SET', KEYS[3], string.format('%.0f', time[1] * 1000000 + time[2]))
        end
        local revision = redis.call('INCR', KEYS[3])
        redis.call('DEL', KEYS[1])
        redis.call('HSET', KEYS[1], 'body', ARGV[4], 'parent', ARGV[5], 'namespace', ARGV[6], 'user', ARGV[7],
          'revision', string.format('%.0f', revision))
        if ARGV[2] ~= '' then
          redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', (time[1] + ARGV[2]) * 1000 + math.floor(time[2] / 1000)))
        end
        if ARGV[5] ~= '' or ARGV[8] == '1' then redis.call('ZADD', KEYS[2], 0, ARGV[3]) end
        return revision
        """)

    /// KEYS: the list of a parent; documents. ARGV: their ids. Removes those from the list that do
    /// not exist.
    static let unlist = RedisScript(
        """
        #!lua flags=allow-oom
        for i = 2, #KEYS do
          if redis.call('EXISTS', KEYS[i]) == 0 then redis.call('ZREM', KEYS[1], ARGV[i - 1]) end
        end
        return 1
        """)

    /// KEYS: the document, the list of its parent. ARGV: the expected revision or nothing; id.
    /// Answers how many were removed.
    static let delete = RedisScript(
        """
        #!lua flags=allow-oom
        local stored = redis.call('HGET', KEYS[1], 'revision')
        if not stored or (ARGV[1] ~= '' and ARGV[1] ~= stored) then return 0 end
        redis.call('ZREM', KEYS[2], ARGV[2])
        return redis.call('DEL', KEYS[1])
        """)
}
