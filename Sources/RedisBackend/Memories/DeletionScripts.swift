import AgentMemory
import RedisDriver

/// Notes of deleted memories: a sorted set of their ids by the time of the server, in microseconds
/// since 1970. Each deletion removes old ones.
enum DeletionScripts {
    /// A function that notes the ids of ARGV from `first` to `last` in the set at this key.
    private static let noteFunction = """
        local function note(key, first, last)
          local time = redis.call('TIME')
          local now = time[1] * 1000000 + time[2]
          redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('(%.0f', now - \(DeletionNote.keptSeconds)000000))
          for i = first, last do redis.call('ZADD', key, string.format('%.0f', now), ARGV[i]) end
        end

        """

    /// KEYS: the set. ARGV: ids.
    static let note = RedisScript(
        """
        #!lua flags=allow-oom
        \(noteFunction)
        note(KEYS[1], 1, #ARGV)
        return #ARGV
        """)

    /// KEYS: the set; the keys of the records. ARGV: their ids. Returns how many records there
    /// were: a key of another program under the prefix is not a record, and stays.
    static let delete = RedisScript(
        """
        #!lua flags=allow-oom
        \(noteFunction)
        local removed = 0
        for i = 2, #KEYS do
          if redis.call('TYPE', KEYS[i]).ok == 'hash' then removed = removed + redis.call('DEL', KEYS[i]) end
        end
        note(KEYS[1], 1, #ARGV)
        return removed
        """)

    /// KEYS: as ``delete``. ARGV: what the caller may reach (``OwnerScript``); the ids. Removes
    /// what is within that, and notes nothing else. Answers how many records there were.
    static let deleteOwned = RedisScript(
        """
        #!lua flags=allow-oom
        \(OwnerScript.functions)\(noteFunction)
        local scope = scopeOf(ARGV[1])
        local removed = 0
        for i = 2, #KEYS do
          if redis.call('TYPE', KEYS[i]).ok == 'hash' and reaches(scope, KEYS[i]) then
            removed = removed + redis.call('DEL', KEYS[i])
            note(KEYS[1], i, i)
          end
        end
        return removed
        """)
}
