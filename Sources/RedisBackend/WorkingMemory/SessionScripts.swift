import RedisDriver

/// Scripts on a session, each atomic.
///
/// KEYS are ``SessionKeys/plain`` and ``SessionKeys/own``; the first three of ARGV are
/// ``SessionKeys/identity``. A script with the line `#!lua` is refused as a whole, before it
/// changes anything, if the server has no memory left or refuses writes.
enum SessionScripts {
    /// Finds the document. `locate` returns its key, or else nil and the key for a new one.
    private static let prelude = """
        local function names(key)
          local kind = redis.call('TYPE', key).ok
          if kind == 'none' then return 'nobody' end
          if kind ~= 'ReJSON-RL' then return 'another' end
          local paths = {'$.session_id', '$.namespace', '$.user_id'}
          local parts = cjson.decode(redis.call('JSON.GET', key, unpack(paths)))
          for i, path in ipairs(paths) do
            local part = parts[path][1]
            if part == nil or part == cjson.null then part = '' end
            if part ~= ARGV[i] then return 'another' end
          end
          return 'session'
        end
        local function locate()
          local plain = names(KEYS[1])
          if plain == 'session' then return KEYS[1] end
          local own = names(KEYS[2])
          if own == 'session' then return KEYS[2] end
          if plain == 'nobody' then return nil, KEYS[1] end
          if own == 'nobody' then return nil, KEYS[2] end
          return error('the keys of the session are taken')
        end
        -- The text of the one value at a path, or nil.
        local function text(key, path)
          local found = redis.call('JSON.GET', key, path)
          if found ~= '[]' then return string.sub(found, 2, -2) end
        end
        local function count(key)
          return redis.call('JSON.ARRLEN', key, '$.messages')[1] or 0
        end

        """

    /// For writes. A document of the reference has no revisions: it has number 0, and its date is
    /// the stamp.
    private static let history = """
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local function whole(number) return string.format('%.0f', number) end
        local function number(key) return text(key, '$.revision') or '0' end
        local function stamp(key)
          local last = text(key, '$.revisions[-1][1]')
          if last then return tonumber(last) end
          local seconds = text(key, '$.last_accessed') or text(key, '$.updated_at')
          return math.floor((tonumber(seconds or '0') or 0) * 1000000 + 0.5)
        end
        -- The earlier revisions and a new one, as JSON; messages are those before it.
        local function revisions(key, entry, messages)
          local kept = text(key, '$.revisions')
          if not kept or kept == '[]' then
            kept = '[[0,' .. whole(stamp(key)) .. ',null,' .. messages .. ']]'
          end
          return string.sub(kept, 1, -2) .. ',' .. entry .. ']'
        end
        -- Sets members of the document, and sets its expiry to the given milliseconds from now, or keeps it.
        local function finish(key, patch, ttl, kept)
          if ttl then
            local at = whole(math.floor(now / 1000) + ttl)
            patch = patch .. ',"expires_at":' .. at
            redis.call('PEXPIREAT', key, at)
          end
          redis.call('JSON.MERGE', key, '$', '{' .. patch .. '}')
          redis.call('JSON.ARRTRIM', key, '$.revisions', -tonumber(kept), -1)
          -- The reference may have written the session under its plain key again after the other one had left it.
          if key == KEYS[1] and names(KEYS[2]) == 'session' then redis.call('DEL', KEYS[2]) end
        end

        """

    /// ARGV: paths to read, `.` for the whole document. Returns their JSON and the number of
    /// messages, or nothing.
    static let read = RedisScript(
        """
        #!lua flags=no-writes
        \(prelude)
        local key = locate()
        if not key then return nil end
        return {redis.call('JSON.GET', key, unpack(ARGV, 4)), count(key)}
        """)

    /// ARGV: the expected revision or an empty string for no session; the document; the new stamp,
    /// the writer's stamp or `null`, the number of messages; milliseconds to live or an empty
    /// string; revisions to keep; the prefix of the queue; jobs (``JobScripts/enqueueFunction``).
    /// Returns the new revision, or nothing if the stored state is not the expected one.
    static let write = RedisScript(
        """
        #!lua
        \(prelude)\(history)\(JobScripts.enqueueFunction)
        local key, free = locate()
        if (key and number(key) or '') ~= ARGV[4] then return nil end
        -- The time is a number that no earlier session under this key has reached.
        local new = key and whole(number(key) + 1) or whole(now)
        local entry = '[' .. table.concat({new, ARGV[6], ARGV[7], ARGV[8]}, ',') .. ']'
        local all = key and revisions(key, entry, count(key)) or '[' .. entry .. ']'
        key = key or free
        enqueue(ARGV[11], 12, #ARGV)
        redis.call('JSON.SET', key, '$', ARGV[5])
        redis.call('PERSIST', key)
        finish(key, '"revision":' .. new .. ',"revisions":' .. all, tonumber(ARGV[9]), ARGV[10])
        return new
        """)

    /// ARGV: the expected revision or an empty string for any; microseconds of the write, the same
    /// in seconds; the writer's stamp or `null`; the new token count or an empty string; revisions
    /// to keep; the number of paths to return; how many of the last messages are searched for
    /// repeats, or an empty string; the prefix of the queue, the number of arguments of jobs; then
    /// the paths, the jobs (``JobScripts/enqueueFunction``), the messages. Returns the paths' JSON
    /// and the number of messages; nothing if there is no session; 0 if another revision is stored;
    /// 2 if a message has the id of one with other content.
    static let append = RedisScript(
        """
        #!lua
        \(prelude)\(history)\(JobScripts.enqueueFunction)
        local key = locate()
        if not key then return nil end
        if ARGV[4] ~= '' and ARGV[4] ~= number(key) then return 0 end
        local before = count(key)
        local jobs = 14 + ARGV[10]
        local first = jobs + ARGV[13]
        local messages = {}
        for i = first, #ARGV do messages[#messages + 1] = ARGV[i] end
        local function answer()
          return {redis.call('JSON.GET', key, unpack(ARGV, 14, jobs - 1)), count(key)}
        end
        if ARGV[11] ~= '' and #messages > 0 then
          local window = math.min(tonumber(ARGV[11]), before)
          local places = {}
          local listed = window > 0 and redis.call('JSON.GET', key, '$.messages[-' .. window .. ':].id') or '[]'
          local function mayBeListed(message)
            local id = cjson.decode(message).id
            -- Letters and digits are the same in every spelling of JSON.
            return string.find(id, '[^%w_.:-]') or string.find(listed, '"' .. id .. '"', 1, true)
          end
          local isNew = true
          for _, message in ipairs(messages) do isNew = isNew and not mayBeListed(message) end
          if not isNew then
            local ids = cjson.decode(listed)
            -- The positions are those of the messages only if each has an id.
            if #ids == window then
              for i, id in ipairs(ids) do places[id] = before - window + i - 1 end
            end
          end
          local function member(place, name)
            return cjson.decode(redis.call('JSON.GET', key, '$.messages[' .. place .. '].' .. name))[1]
          end
          local new = {}
          for _, message in ipairs(messages) do
            local given = cjson.decode(message)
            local place = places[given.id]
            if not place then
              new[#new + 1] = message
            elseif member(place, 'role') ~= given.role or member(place, 'content') ~= given.content then
              return 2
            end
          end
          if #new == 0 then return answer() end
          messages = new
        end
        enqueue(ARGV[12], jobs, first - 1)
        local new = whole(number(key) + 1)
        local at = math.max(tonumber(ARGV[5]), stamp(key) + 1)
        if redis.call('JSON.TYPE', key, '$.messages')[1] ~= 'array' then
          redis.call('JSON.SET', key, '$.messages', '[]')
        end
        for i = 1, #messages, 1000 do
          redis.call('JSON.ARRAPPEND', key, '$.messages', unpack(messages, i, math.min(i + 999, #messages)))
        end
        local entry = '[' .. table.concat({new, whole(at), ARGV[7], before + #messages}, ',') .. ']'
        if text(key, '$.revisions[-1]') then
          redis.call('JSON.ARRAPPEND', key, '$.revisions', entry)
        else
          redis.call('JSON.SET', key, '$.revisions', revisions(key, entry, before))
        end
        local seconds = at < 0 and string.format('%.6f', at / 1000000)
          or whole(math.floor(at / 1000000)) .. '.' .. string.format('%06d', at % 1000000)
        local patch = '"revision":' .. new .. ',"last_accessed":' .. seconds .. ',"updated_at":' .. ARGV[6]
        if ARGV[8] ~= '' then patch = patch .. ',"tokens":' .. ARGV[8] end
        local ttl = tonumber(text(key, '$.ttl_seconds') or '')
        finish(key, patch, ttl and math.min(math.max(ttl, 1), \(RedisWorkingMemoryStore.longestTTL)) * 1000, ARGV[9])
        return answer()
        """)

    /// ARGV: the expected revision or an empty string for any. Returns 1; nothing if there is no
    /// session; 0 if another revision is stored.
    static let delete = RedisScript(
        """
        #!lua flags=allow-oom
        \(prelude)
        local key = locate()
        if not key then return nil end
        if ARGV[4] ~= '' and ARGV[4] ~= (text(key, '$.revision') or '0') then return 0 end
        redis.call('DEL', key)
        if key == KEYS[1] and names(KEYS[2]) == 'session' then redis.call('DEL', KEYS[2]) end
        return 1
        """)

    /// ARGV: the date as JSON; the number of memory ids; these; the ids of messages.
    static let markPersisted = RedisScript(
        """
        #!lua
        \(prelude)
        local key = locate()
        if not key then return 0 end
        local function mark(list, first, last)
          if first > last then return end
          local wanted = {}
          for i = first, last do wanted[ARGV[i]] = true end
          local ids = cjson.decode(redis.call('JSON.GET', key, list .. '[*].id'))
          -- The positions are those of the elements only if each has an id.
          if redis.call('JSON.ARRLEN', key, list)[1] ~= #ids then return end
          for i, id in ipairs(ids) do
            if wanted[id] then
              local path = list .. '[' .. (i - 1) .. '].persisted_at'
              if (text(key, path) or 'null') == 'null' then redis.call('JSON.SET', key, path, ARGV[4]) end
            end
          end
        end
        local memories = tonumber(ARGV[5])
        mark('$.memories', 6, 5 + memories)
        mark('$.messages', 6 + memories, #ARGV)
        return 1
        """)

    /// ARGV: id, role and content of each message. Marks those that still say the same.
    static let markExtracted = RedisScript(
        """
        #!lua
        \(prelude)
        local key = locate()
        if not key then return 0 end
        local wanted = {}
        for i = 4, #ARGV, 3 do
          local said = wanted[ARGV[i]] or {}
          said[#said + 1] = i
          wanted[ARGV[i]] = said
        end
        local ids = cjson.decode(redis.call('JSON.GET', key, '$.messages[*].id'))
        -- The positions are those of the messages only if each has an id.
        if redis.call('JSON.ARRLEN', key, '$.messages')[1] ~= #ids then return 0 end
        for i, id in ipairs(ids) do
          for _, given in ipairs(wanted[id] or {}) do
            local message = '$.messages[' .. (i - 1) .. ']'
            local function member(name)
              return cjson.decode(redis.call('JSON.GET', key, message .. '.' .. name))[1]
            end
            if member('role') == ARGV[given + 1] and member('content') == ARGV[given + 2] then
              redis.call('JSON.SET', key, message .. '.discrete_memory_extracted', '"t"')
            end
          end
        end
        return 1
        """)
}
