import RedisDriver

/// What is done to access tokens on the server, in one step each. KEYS begins with the list of
/// tokens and the revision.
///
/// - `<prefix>`: sorted set of the hashes by `created_at`, in microseconds since 1970
/// - `<prefix>:revision`: the number of changes; begins at the time of the server, so that a store
///   that came back empty does not count through the same numbers again
/// - `<prefix>:token:<hash>`: hash: `token` (JSON), `expires_at`, `last_used_at`
enum TokenScripts {
    private static let prelude = """
        #!lua
        local function changed()
          if redis.call('EXISTS', KEYS[2]) == 0 then
            local time = redis.call('TIME')
            redis.call('SET', KEYS[2], string.format('%.0f', time[1] * 1000000 + time[2]))
          end
          redis.call('INCR', KEYS[2])
        end
        local function add(key, hash, created, token, expires)
          redis.call('HSET', key, 'token', token)
          if expires ~= '' then redis.call('HSET', key, 'expires_at', expires) end
          redis.call('ZADD', KEYS[1], created, hash)
          changed()
        end

        """

    /// KEYS: the token. ARGV: hash, created, JSON, expiry or nothing. Answers 0 if it exists.
    static let add = RedisScript(
        prelude + """
            if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
            add(KEYS[3], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
            return 1
            """)

    /// KEYS: the token. ARGV: hash. Answers how many there were.
    static let remove = RedisScript(
        prelude.replacing("#!lua\n", with: "#!lua flags=allow-oom\n") + """
            local removed = redis.call('DEL', KEYS[3])
            redis.call('ZREM', KEYS[1], ARGV[1])
            changed()
            return removed
            """)

    /// KEYS: the new token, the old one. ARGV: as ``add``; the end of the old one. Answers 0 if the
    /// new one exists, -1 if the old one does not.
    static let replace = RedisScript(
        prelude + """
            if redis.call('EXISTS', KEYS[4]) == 0 then return -1 end
            if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
            local ends = redis.call('HGET', KEYS[4], 'expires_at')
            if not ends or tonumber(ends) > tonumber(ARGV[5]) then
              redis.call('HSET', KEYS[4], 'expires_at', ARGV[5])
            end
            add(KEYS[3], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
            return 1
            """)

    /// KEYS: tokens alone. ARGV: a date for each.
    static let noteUse = RedisScript(
        """
        #!lua
        for i, key in ipairs(KEYS) do
          if redis.call('EXISTS', key) == 1 then
            local last = redis.call('HGET', key, 'last_used_at')
            if not last or tonumber(last) < tonumber(ARGV[i]) then
              redis.call('HSET', key, 'last_used_at', ARGV[i])
            end
          end
        end
        return 1
        """)
}
