import AgentMemory
import RedisDriver

/// Notes of deleted memories: a sorted set of their ids by the time of the server, in microseconds
/// since 1970. Each deletion removes old ones.
enum DeletionScripts {
    /// A function that notes the ids of ARGV from `first` to `last` in the set at this key.
    static let noteFunction = """
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

    /// KEYS: the set; the keys of the records. ARGV: their ids; the stream of events and who
    /// writes (``EventScript``). Returns how many records there were: a key of another program
    /// under the prefix is not a record, and stays.
    static let delete = RedisScript(
        """
        #!lua flags=allow-oom
        \(noteFunction)\(EventScript.functions)
        eventsOf(ARGV[#ARGV - 1], ARGV[#ARGV])
        local removed = 0
        for i = 2, #KEYS do
          if redis.call('TYPE', KEYS[i]).ok == 'hash' then
            local before = stored(KEYS[i])
            removed = removed + redis.call('DEL', KEYS[i])
            noteRemoval(KEYS[i], before)
          end
        end
        note(KEYS[1], 1, #ARGV - 2)
        return removed
        """)

    /// KEYS: as ``delete``. ARGV: as there, after what the caller may reach (``OwnerScript``).
    /// Removes what is within that, and notes nothing else. Returns how many records there were.
    static let deleteOwned = RedisScript(
        """
        #!lua flags=allow-oom
        \(OwnerScript.functions)\(noteFunction)\(EventScript.functions)
        eventsOf(ARGV[#ARGV - 1], ARGV[#ARGV])
        local scope = scopeOf(ARGV[1])
        local removed = 0
        for i = 2, #KEYS do
          if redis.call('TYPE', KEYS[i]).ok == 'hash' and reaches(scope, KEYS[i]) then
            local before = stored(KEYS[i])
            removed = removed + redis.call('DEL', KEYS[i])
            note(KEYS[1], i, i)
            noteRemoval(KEYS[i], before)
          end
        end
        return removed
        """)
}
