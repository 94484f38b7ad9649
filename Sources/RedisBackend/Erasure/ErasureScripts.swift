import AgentMemory
import RedisDriver

/// Scripts that leave nothing of what they remove.
///
/// The stream of events keeps the bytes of an entry that XDEL removes, as long as other entries of
/// its node are there. So what is left is copied to a new stream, in parts, and the last part takes
/// the place of the stream in one step. Each erasure of events raises a number, by which a copy
/// tells that it may have what was erased since it began.
enum ErasureScripts {
    /// After the key of the stream: the number of erasures, and the copy that one of them makes.
    static let erasuresSuffix = "_erasures"
    static let copySuffix = "_copy:"

    /// KEYS[1] is the stream of events, KEYS[2] the set of notes. ARGV begins with the user, the
    /// namespace and the session that are erased, empty for any; what keys of records, and keys of
    /// claims, have before the id or the hash.
    private static let prelude = """
        local removed = 0
        local function within(user, namespace)
          return (ARGV[1] == '' or user == ARGV[1]) and (ARGV[2] == '' or namespace == ARGV[2])
        end
        local function valuesOf(entry)
          local values = {}
          for i = 1, #entry[2], 2 do values[entry[2][i]] = entry[2][i + 1] end
          return values
        end
        -- The owner after the change, or the one before it.
        local function shows(values)
          local user, namespace = values['\(EventScript.Name.user.rawValue)'], \
        values['\(EventScript.Name.namespace.rawValue)']
          return within(user, namespace)
            or within(values['\(RecordHash.name(.userID))'] or user, values['\(RecordHash.name(.namespace))'] or namespace)
        end
        local function unclaim(id, hash)
          if hash and redis.call('GET', ARGV[5] .. hash) == ARGV[4] .. id then redis.call('DEL', ARGV[5] .. hash) end
        end
        local function eraseEvents(id)
          local list = KEYS[1] .. '\(EventScript.recordInfix)' .. id
          for _, number in ipairs(redis.call('LRANGE', list, 0, -1)) do
            local entry = redis.call('XRANGE', KEYS[1], '0-' .. number, '0-' .. number)[1]
            local values = entry and valuesOf(entry)
            if values and shows(values) then
              redis.call('XDEL', KEYS[1], '0-' .. number)
              redis.call('LREM', list, 1, number)
              redis.call(
                'LREM', KEYS[1] .. '\(EventScript.operationInfix)' .. values['\(EventScript.Name.operation.rawValue)'],
                1, number)
              unclaim(id, values['\(RecordHash.name(.memoryHash))'])
              removed = removed + 1
            end
          end
          if redis.call('EXISTS', ARGV[4] .. id) == 0 then redis.call('ZREM', KEYS[2], id) end
        end
        local function finish()
          if removed > 0 then redis.call('INCR', KEYS[1] .. '\(erasuresSuffix)') end
        end

        """

    /// KEYS, after those of the prelude: records. Removes those that are still within the scope,
    /// with their events. Returns how many records, and how many events.
    static let records = RedisScript(
        """
        #!lua flags=allow-oom
        \(prelude)
        local records = 0
        for i = 3, #KEYS do
          if redis.call('TYPE', KEYS[i]).ok == 'hash' then
            local owner = redis.call(
              'HMGET', KEYS[i], '\(RecordHash.name(.userID))', '\(RecordHash.name(.namespace))',
              '\(RecordHash.name(.sessionID))', '\(RecordHash.name(.memoryHash))')
            if within(owner[1], owner[2]) and (ARGV[3] == '' or owner[3] == ARGV[3]) then
              local id = string.sub(KEYS[i], #ARGV[4] + 1)
              redis.call('DEL', KEYS[i])
              records = records + 1
              unclaim(id, owner[4])
              eraseEvents(id)
            end
          end
        end
        finish()
        return {records, removed}
        """)

    /// ARGV, after those of the prelude: the number after which events are looked at, and how many.
    /// Removes the events of the records that they show within the scope. Returns the last number,
    /// or nothing if there are no more events; how many events were removed; and the ids.
    static let events = RedisScript(
        """
        #!lua flags=allow-oom
        \(prelude)
        local last, ids = false, {}
        for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(0-' .. ARGV[6], '+', 'COUNT', ARGV[7])) do
          local values = valuesOf(entry)
          last = string.sub(entry[1], 3)
          if shows(values) and (ARGV[3] == '' or values['\(RecordHash.name(.sessionID))'] == ARGV[3]) then
            ids[values['\(EventScript.Name.id.rawValue)']] = true
          end
        end
        local list = {}
        for id in pairs(ids) do
          eraseEvents(id)
          list[#list + 1] = id
        end
        finish()
        return {last, removed, list}
        """)

    /// ARGV, after those of the prelude: ids of records. Removes their events that show a state
    /// within the scope, and returns how many.
    static let eventsOfRecords = RedisScript(
        """
        #!lua flags=allow-oom
        \(prelude)
        for i = 6, #ARGV do eraseEvents(ARGV[i]) end
        finish()
        return removed
        """)

    /// KEYS: the stream of events; its copy. ARGV: the number after which entries are copied, and
    /// how many; seconds that an abandoned copy lives. Returns how many were copied, and the number
    /// of the last one.
    static let copy = RedisScript(
        """
        #!lua
        local entries = redis.call('XRANGE', KEYS[1], '(0-' .. ARGV[1], '+', 'COUNT', ARGV[2])
        local last = ARGV[1]
        for _, entry in ipairs(entries) do
          redis.call('XADD', KEYS[2], entry[1], unpack(entry[2]))
          last = string.sub(entry[1], 3)
        end
        local now = redis.call('TIME')
        redis.call('PEXPIREAT', KEYS[2], string.format('%.0f', (now[1] + ARGV[3]) * 1000))
        return {#entries, last}
        """)

    /// KEYS: as ``copy``. ARGV: the number of the last entry that was copied; the number of
    /// erasures when the copy began, or nothing. Copies the rest, and lets the copy take the place
    /// of the stream, whose last number it keeps. Returns 0 if something was erased meanwhile; then
    /// the copy is removed.
    static let replace = RedisScript(
        """
        #!lua flags=allow-oom
        if (redis.call('GET', KEYS[1] .. '\(erasuresSuffix)') or '') ~= ARGV[2] then
          redis.call('DEL', KEYS[2])
          return 0
        end
        if redis.call('EXISTS', KEYS[1]) == 0 then
          redis.call('DEL', KEYS[2])
          return 1
        end
        for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(0-' .. ARGV[1], '+')) do
          redis.call('XADD', KEYS[2], entry[1], unpack(entry[2]))
        end
        if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('XADD', KEYS[2], 'MAXLEN', 0, '0-1', 'k', '') end
        local info = redis.call('XINFO', 'STREAM', KEYS[1])
        for i = 1, #info, 2 do
          if info[i] == 'last-generated-id' then redis.call('XSETID', KEYS[2], info[i + 1]) end
        end
        redis.call('PERSIST', KEYS[2])
        redis.call('RENAME', KEYS[2], KEYS[1])
        return 1
        """)

    /// ARGV: the stream of events and who writes (``EventScript``); what would be the key of a
    /// record with the id of the event.
    static let note = RedisScript(
        """
        #!lua
        \(EventScript.functions)
        eventsOf(ARGV[1], ARGV[2])
        if origin then append(ARGV[3], nil, nil, '\(MemoryEvent.Kind.erased.rawValue)', {}) end
        return 1
        """)
}
