import AgentMemory
import RedisDriver

/// Scripts that decide by events, or remove them.
enum HistoryScripts {
    /// KEYS: the stream of events; the notes of deletions; for each record its key. ARGV: who
    /// writes (``EventScript``); what the caller may reach (``OwnerScript``); for each record its
    /// id, the number of its latest event (0 for none), and its fields, or an empty string to
    /// remove it. Returns for each record 1, or 0 if it has a later event or belongs to others;
    /// with a 0 nothing was written.
    static let rewrite = RedisScript(
        """
        #!lua
        \(OwnerScript.functions)\(DeletionScripts.noteFunction)\(EventScript.functions)
        eventsOf(KEYS[1], ARGV[1])
        local scope = scopeOf(ARGV[2])
        local outcomes, isRefused = {}, false
        for i = 3, #KEYS do
          local at = 3 * i - 6
          local latest = redis.call('LINDEX', KEYS[1] .. '\(EventScript.recordInfix)' .. ARGV[at], -1) or '0'
          local isFree = redis.call('EXISTS', KEYS[i]) == 0
          local isPermitted = latest == ARGV[at + 1] and (isFree or reaches(scope, KEYS[i]))
          outcomes[#outcomes + 1] = isPermitted and 1 or 0
          isRefused = isRefused or not isPermitted
        end
        if isRefused then return outcomes end
        for i = 3, #KEYS do
          local at = 3 * i - 6
          local before = stored(KEYS[i])
          if ARGV[at + 2] ~= '' then
            redis.call('DEL', KEYS[i])
            redis.call('HSET', KEYS[i], unpack(cmsgpack.unpack(ARGV[at + 2])))
            noteWrite(KEYS[i], before, '\(MemoryEvent.Kind.replaced.rawValue)')
          elseif redis.call('TYPE', KEYS[i]).ok == 'hash' then
            redis.call('DEL', KEYS[i])
            note(KEYS[2], at, at)
            noteRemoval(KEYS[i], before)
          end
        end
        return outcomes
        """)

    /// KEYS: the stream of events. ARGV: seconds that events are kept; the most events to look at.
    /// Removes those of the oldest that are older, and returns how many.
    static let sweep = RedisScript(
        """
        #!lua flags=allow-oom
        local time = redis.call('TIME')
        local oldest = (time[1] - ARGV[1]) * 1000000 + time[2]
        local removed, last = 0, nil
        for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[2])) do
          local values = {}
          for i = 1, #entry[2], 2 do values[entry[2][i]] = entry[2][i + 1] end
          if tonumber(values['\(EventScript.Name.time.rawValue)']) >= oldest then break end
          local number = string.sub(entry[1], 3)
          local id, operation = values['\(EventScript.Name.id.rawValue)'], \
        values['\(EventScript.Name.operation.rawValue)']
          redis.call('LREM', KEYS[1] .. '\(EventScript.recordInfix)' .. id, 1, number)
          redis.call('LREM', KEYS[1] .. '\(EventScript.operationInfix)' .. operation, 1, number)
          removed, last = removed + 1, number
        end
        if last then redis.call('XTRIM', KEYS[1], 'MINID', '=', string.format('0-%.0f', last + 1)) end
        return removed
        """)
}
