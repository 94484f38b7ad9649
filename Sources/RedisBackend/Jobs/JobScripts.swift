import RedisDriver

/// Scripts on the queue, each atomic; ARGV starts with the prefix of the keys.
///
/// - `<prefix>:job:<id>`: hash: `kind`, `payload`, `enqueued` (microseconds since 1970),
///   `attempts`, `reason`
/// - `<prefix>:waiting`, `:leased`, `:dead`: sorted sets of ids by `enqueued`; each job is in one
///   of them
/// - `<prefix>:stream:<kind>`: the jobs of a kind that can be leased or are leased, one entry `job
///   <id>` each; consumer group `workers`
/// - `<prefix>:delayed:<kind>`: sorted set of delayed ids by their due time, in milliseconds since
///   1970
/// - `<prefix>:sequence`: the last id assigned
/// - `<prefix>:deleted`: notes of deleted memories (``DeletionScripts``)
///
/// A lease is an entry that is pending in the group, and ends when the entry has been idle for
/// ``longestLease``: a lease for a shorter time declares it idle for the rest. Entry and attempt
/// distinguish it from later leases.
///
/// A script with the line `#!lua` is refused as a whole, before it changes anything, if the server
/// has no memory left or refuses writes.
enum JobScripts {
    /// Milliseconds: 30 days.
    static let longestLease = 2_592_000_000

    private static let prelude = "local prefix = ARGV[1]\n" + names

    /// The common part of all scripts; uses `prefix`.
    private static let names = """
        local waiting, leased, dead = prefix .. ':waiting', prefix .. ':leased', prefix .. ':dead'
        local function hash(id) return prefix .. ':job:' .. id end
        local function stream(kind) return prefix .. ':stream:' .. kind end
        local function delayed(kind) return prefix .. ':delayed:' .. kind end
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local function whole(number) return string.format('%.0f', number) end
        local function add(id, kind)
          if redis.call('EXISTS', stream(kind)) == 0 then
            redis.call('XGROUP', 'CREATE', stream(kind), 'workers', '0', 'MKSTREAM')
          end
          redis.call('XADD', stream(kind), '*', 'job', id)
        end
        local function offer(id, kind, delay)
          if tonumber(delay) > 0 then
            redis.call('ZADD', delayed(kind), whole(math.floor(now / 1000) + delay), id)
          else
            add(id, kind)
          end
        end
        local function remove(kind, entry)
          redis.call('XACK', stream(kind), 'workers', entry)
          redis.call('XDEL', stream(kind), entry)
        end
        local function move(id, from, to)
          redis.call('ZREM', from, id)
          redis.call('ZADD', to, redis.call('HGET', hash(id), 'enqueued'), id)
        end

        """

    /// ARGV: prefix, kind, id, entry, attempt. Continues only if this is still the job's lease.
    private static let lease = """
        local kind, id, entry = ARGV[2], ARGV[3], ARGV[4]
        if redis.call('HGET', hash(id), 'attempts') ~= ARGV[5] then return 0 end
        if #redis.call('XPENDING', stream(kind), 'workers', entry, entry, 1) == 0 then return 0 end

        """

    /// A function that enqueues the jobs whose kind, payload and milliseconds of delay are in ARGV
    /// from `first` to `last`, in the queue with this prefix, and returns their ids. Scripts that
    /// also write something else start with it.
    static let enqueueFunction = """
        local function enqueue(prefix, first, last)
        \(names)
          local ids = {}
          for i = first, last, 3 do
            local id = whole(redis.call('INCR', prefix .. ':sequence'))
            -- A microsecond each, so that the jobs of one call keep their order.
            local enqueued = whole(now + #ids)
            redis.call('HSET', hash(id), 'kind', ARGV[i], 'payload', ARGV[i + 1], 'enqueued', enqueued, 'attempts', 0)
            redis.call('ZADD', waiting, enqueued, id)
            offer(id, ARGV[i], ARGV[i + 2])
            ids[#ids + 1] = id
          end
          return ids
        end

        """

    /// ARGV: prefix; the jobs. Returns the ids.
    static let enqueue = RedisScript(
        """
        #!lua
        \(enqueueFunction)
        return enqueue(ARGV[1], 2, #ARGV)
        """)

    /// ARGV: prefix, limit, milliseconds, kinds. Returns id, kind, payload, attempt, enqueued and
    /// entry of each job.
    static let take = RedisScript(
        """
        #!lua
        \(prelude)
        local limit = tonumber(ARGV[2])
        local idle = \(longestLease) - ARGV[3]
        local jobs = {}
        local function take(kind, entry, id)
          local stored = redis.call('HMGET', hash(id), 'payload', 'enqueued')
          if not stored[1] then return remove(kind, entry) end
          redis.call('XCLAIM', stream(kind), 'workers', 'worker', 0, entry, 'IDLE', whole(idle), 'JUSTID')
          move(id, waiting, leased)
          local attempt = redis.call('HINCRBY', hash(id), 'attempts', 1)
          jobs[#jobs + 1] = {id, kind, stored[1], attempt, stored[2], entry}
        end
        for i = 4, #ARGV do
          local kind = ARGV[i]
          if #jobs == limit then break end
          local due = redis.call(
            'ZRANGEBYSCORE', delayed(kind), '-inf', whole(math.floor(now / 1000)), 'LIMIT', 0, limit - #jobs)
          for _, id in ipairs(due) do
            redis.call('ZREM', delayed(kind), id)
            add(id, kind)
          end
          if redis.call('EXISTS', stream(kind)) == 1 then
            local ended = redis.pcall(
              'XPENDING', stream(kind), 'workers', 'IDLE', \(longestLease), '-', '+', limit - #jobs)
            if ended.err then
              if not string.find(ended.err, '^NOGROUP') then return ended end
              -- The group was removed: a new one starts with every job again.
              redis.call('XGROUP', 'CREATE', stream(kind), 'workers', '0')
              ended = {}
            end
            for _, lease in ipairs(ended) do
              local found = redis.call('XRANGE', stream(kind), lease[1], lease[1])[1]
              if found then take(kind, lease[1], found[2][2]) else remove(kind, lease[1]) end
            end
            if #jobs < limit then
              local read = redis.call(
                'XREADGROUP', 'GROUP', 'workers', 'worker', 'COUNT', limit - #jobs, 'STREAMS', stream(kind), '>')
              for _, found in ipairs(read and read[1][2] or {}) do take(kind, found[1], found[2][2]) end
            end
          end
        end
        return jobs
        """)

    /// ARGV: as ``lease``; milliseconds.
    static let extend = RedisScript(
        """
        #!lua flags=allow-oom
        \(prelude)\(lease)
        local idle = \(longestLease) - ARGV[6]
        redis.call('XCLAIM', stream(kind), 'workers', 'worker', 0, entry, 'IDLE', whole(idle), 'JUSTID')
        return 1
        """)

    /// ARGV: as ``lease``.
    static let complete = RedisScript(
        """
        #!lua flags=allow-oom
        \(prelude)\(lease)
        remove(kind, entry)
        redis.call('ZREM', leased, id)
        redis.call('DEL', hash(id))
        return 1
        """)

    /// ARGV: as ``lease``; the reason; milliseconds of delay.
    static let retry = RedisScript(
        """
        #!lua flags=allow-oom
        \(prelude)\(lease)
        remove(kind, entry)
        redis.call('HSET', hash(id), 'reason', ARGV[6])
        move(id, leased, waiting)
        offer(id, kind, ARGV[7])
        return 1
        """)

    /// ARGV: as ``lease``; the reason.
    static let bury = RedisScript(
        """
        #!lua flags=allow-oom
        \(prelude)\(lease)
        remove(kind, entry)
        redis.call('HSET', hash(id), 'reason', ARGV[6])
        move(id, leased, dead)
        return 1
        """)

    /// ARGV: prefix, id; the new payload, an empty string to remove the job, or `?` to leave it.
    /// Returns 1; 2 if a worker holds the job; 0 if there is none, or if it was left.
    static let revise = RedisScript(
        """
        #!lua flags=allow-oom
        \(prelude)
        local id = ARGV[2]
        local kind = redis.call('HGET', hash(id), 'kind')
        if not kind then return 0 end
        if redis.call('ZSCORE', leased, id) then
          local isHeld = true
          local ended = redis.pcall('XPENDING', stream(kind), 'workers', 'IDLE', \(longestLease), '-', '+', 1000)
          for _, lease in ipairs(ended.err and {} or ended) do
            local found = redis.call('XRANGE', stream(kind), lease[1], lease[1])[1]
            if found and found[2][2] == id then
              isHeld = false
              if ARGV[3] == '' then remove(kind, lease[1]) end
            end
          end
          if isHeld then return 2 end
        end
        if ARGV[3] == '?' then return 0 end
        if ARGV[3] ~= '' then
          redis.call('HSET', hash(id), 'payload', ARGV[3])
          return 1
        end
        for _, set in ipairs({waiting, leased, dead, delayed(kind)}) do redis.call('ZREM', set, id) end
        redis.call('DEL', hash(id))
        return 1
        """)

    /// ARGV: prefix; ids. Returns how many of them were dead.
    static let requeue = RedisScript(
        """
        #!lua
        \(prelude)
        local moved = 0
        for i = 2, #ARGV do
          local id = ARGV[i]
          local kind = redis.call('HGET', hash(id), 'kind')
          if kind and redis.call('ZSCORE', dead, id) then
            redis.call('HSET', hash(id), 'attempts', 0)
            move(id, dead, waiting)
            add(id, kind)
            moved = moved + 1
          end
        end
        return moved
        """)
}
