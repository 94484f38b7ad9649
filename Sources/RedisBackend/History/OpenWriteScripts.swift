import AgentMemory
import RedisDriver

/// Scripts of the open writes of a ``RedisEventStore``.
///
/// A sorted set has the open writes by the time when they are overdue, in milliseconds since 1970;
/// a hash has the holder of a write, and what it has noted; a list has its keys; and each key that
/// is held names its write. Their names begin with that of the stream of events, and scripts make
/// them by themselves.
enum OpenWriteScripts {
    /// KEYS[1] is the stream of events in all scripts.
    private static let prelude = """
        local opened = KEYS[1] .. '_open'
        local function writeKey(id) return opened .. ':' .. id end
        local function listKey(id) return opened .. '_keys:' .. id end
        local function heldKey(key) return KEYS[1] .. '_held:' .. key end
        local function now()
          local time = redis.call('TIME')
          return time[1] * 1000 + math.floor(time[2] / 1000)
        end
        local function extend(id, milliseconds)
          redis.call('ZADD', opened, string.format('%.0f', now() + milliseconds), id)
        end
        local function isHeld(id, holder) return redis.call('HGET', writeKey(id), 'holder') == holder end
        local function isOverdue(id)
          local ends = redis.call('ZSCORE', opened, id)
          return ends and tonumber(ends) <= now()
        end

        """

    /// ARGV: the write; its holder; milliseconds until it is overdue; keys. Returns nothing if the
    /// write is open; else for each other write that has one of the keys its id, and 1 if it is
    /// overdue.
    static let open = RedisScript(
        """
        #!lua
        \(prelude)
        local others, seen = {}, {}
        for i = 4, #ARGV do
          local id = redis.call('GET', heldKey(ARGV[i]))
          if id and id ~= ARGV[1] and not seen[id] and redis.call('ZSCORE', opened, id) then
            seen[id] = true
            others[#others + 1] = id
            others[#others + 1] = isOverdue(id) and 1 or 0
          end
        end
        if #others > 0 then return others end
        redis.call('DEL', listKey(ARGV[1]))
        for i = 4, #ARGV do
          redis.call('SET', heldKey(ARGV[i]), ARGV[1])
          redis.call('RPUSH', listKey(ARGV[1]), ARGV[i])
        end
        redis.call('HSET', writeKey(ARGV[1]), 'holder', ARGV[2])
        extend(ARGV[1], ARGV[3])
        return {}
        """)

    /// ARGV: the write; its holder; milliseconds until it is overdue; what it changes, and its
    /// operation, if it notes that. Returns whether the holder still holds it.
    static let extend = RedisScript(
        """
        #!lua
        \(prelude)
        if not isHeld(ARGV[1], ARGV[2]) then return 0 end
        if ARGV[4] then redis.call('HSET', writeKey(ARGV[1]), 'intent', ARGV[4], 'operation', ARGV[5]) end
        extend(ARGV[1], ARGV[3])
        return 1
        """)

    /// ARGV: the write, or nothing for events without one; its holder; for each event its id, its
    /// operation, how many arguments follow, and its other names and values
    /// (``EventEntry/values(of:)``). Returns whether the holder still held it.
    static let end = RedisScript(
        """
        #!lua flags=allow-oom
        \(prelude)
        if ARGV[1] ~= '' and not isHeld(ARGV[1], ARGV[2]) then return 0 end
        local at = 3
        while at <= #ARGV do
          local time = redis.call('TIME')
          local entry = {
            '\(EventScript.Name.time.rawValue)', string.format('%.0f', time[1] * 1000000 + time[2]),
            '\(EventScript.Name.id.rawValue)', ARGV[at], '\(EventScript.Name.operation.rawValue)', ARGV[at + 1]
          }
          local last = at + 2 + tonumber(ARGV[at + 2])
          for i = at + 3, last do entry[#entry + 1] = ARGV[i] end
          local number = string.sub(redis.call('XADD', KEYS[1], '0-*', unpack(entry)), 3)
          redis.call('RPUSH', KEYS[1] .. '\(EventScript.recordInfix)' .. ARGV[at], number)
          redis.call('RPUSH', KEYS[1] .. '\(EventScript.operationInfix)' .. ARGV[at + 1], number)
          at = last + 1
        end
        if ARGV[1] == '' then return 1 end
        for _, key in ipairs(redis.call('LRANGE', listKey(ARGV[1]), 0, -1)) do
          if redis.call('GET', heldKey(key)) == ARGV[1] then redis.call('DEL', heldKey(key)) end
        end
        redis.call('DEL', listKey(ARGV[1]), writeKey(ARGV[1]))
        redis.call('ZREM', opened, ARGV[1])
        return 1
        """)

    /// ARGV: the write; its new holder; milliseconds until it is overdue again. Returns nothing if
    /// it is not overdue; else what it has noted, which may be empty.
    static let takeOver = RedisScript(
        """
        #!lua flags=allow-oom
        \(prelude)
        if not isOverdue(ARGV[1]) then return false end
        redis.call('HSET', writeKey(ARGV[1]), 'holder', ARGV[2])
        extend(ARGV[1], ARGV[3])
        return redis.call('HGET', writeKey(ARGV[1]), 'intent') or ''
        """)

    /// ARGV: `noted`, `overdue`, `operation` with an operation, or `keys` with keys. Returns for
    /// each open write its id, and 1 if it is overdue.
    static let list = RedisScript(
        """
        #!lua flags=no-writes
        \(prelude)
        local wanted
        if ARGV[1] == 'keys' then
          wanted = {}
          for i = 2, #ARGV do
            local id = redis.call('GET', heldKey(ARGV[i]))
            if id then wanted[id] = true end
          end
        end
        local found = {}
        for _, id in ipairs(redis.call('ZRANGE', opened, 0, -1)) do
          local isFound
          if ARGV[1] == 'overdue' then
            isFound = isOverdue(id)
          else
            local operation = redis.call('HGET', writeKey(id), 'operation')
            if operation and wanted then
              isFound = wanted[id]
            elseif operation then
              isFound = ARGV[1] == 'noted' or operation == ARGV[2]
            end
          end
          if isFound then
            found[#found + 1] = id
            found[#found + 1] = isOverdue(id) and 1 or 0
          end
        end
        return found
        """)
}
