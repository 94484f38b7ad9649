import AgentMemory

/// What scripts need to write events together with the changes that they make.
///
/// An event is an entry of a stream, with the id `0-N` where N is its number, and with the names of
/// ``EventEntry``. Two lists have its number too: one for each id of a record, and one for each
/// operation. The keys of both begin with that of the stream, so scripts make them by themselves.
enum EventScript {
    /// The names of an entry. Fields of the record before the change are under their names in the
    /// hash, which are longer.
    enum Name: String {
        case time = "t"
        case kind = "k"
        case id = "i"
        case namespace = "n"
        case user = "u"
        case operation = "o"
        case caller = "c"
        case reason = "r"
        case successor = "s"
        /// Present if the fields are the whole record.
        case isWhole = "w"
        /// What was there before, in the API's spelling: then the fields of the record that are
        /// there are only for the scripts of an erasure.
        case before = "b"
    }

    /// The list of an operation; the other one is that of a record.
    static let operationInfix = "_of:"
    static let recordInfix = ":"

    /// Lua: `eventsOf(stream, text)` reads ``argument(_:_:)``; `stored(key)` returns what events
    /// need of the record at a key, and is called before and not after a change; `noteWrite(key,
    /// before, kind)` and `noteRemoval(key, before)` write the event of a change that was made.
    /// Without a history they do nothing.
    static let functions = """
        local events, origin
        local names = {\(names)}
        local function eventsOf(stream, text)
          events = stream
          if text ~= '' then origin = cjson.decode(text) end
        end
        local function stored(key)
          if not origin then return nil end
          local values = redis.pcall('HMGET', key, unpack(names))
          if values.err or not values[\(position(.id))] or not values[\(position(.text))] then return nil end
          return values
        end
        local function append(key, namespace, user, kind, before)
          local time = redis.call('TIME')
          local id = string.sub(key, origin.skip + 1)
          local entry = {
            '\(Name.time.rawValue)', string.format('%.0f', time[1] * 1000000 + time[2]),
            '\(Name.kind.rawValue)', origin.kind or kind, '\(Name.id.rawValue)', id,
            '\(Name.operation.rawValue)', origin.operation,
            '\(Name.namespace.rawValue)', namespace or '',
            '\(Name.user.rawValue)', user or ''
          }
          if origin.caller then
            entry[#entry + 1] = '\(Name.caller.rawValue)'
            entry[#entry + 1] = origin.caller
          end
          if origin.reason then
            entry[#entry + 1] = '\(Name.reason.rawValue)'
            entry[#entry + 1] = origin.reason
          end
          for _, part in ipairs(before) do entry[#entry + 1] = part end
          local number = string.sub(redis.call('XADD', events, '0-*', unpack(entry)), 3)
          redis.call('RPUSH', events .. '\(recordInfix)' .. id, number)
          redis.call('RPUSH', events .. '\(operationInfix)' .. origin.operation, number)
        end
        local function noteWrite(key, before, kind)
          if not origin then return end
          if not before then
            local new = redis.call('HMGET', key, 'namespace', 'user_id', 'id_', 'text')
            if new[3] and new[4] then append(key, new[1], new[2], '\(MemoryEvent.Kind.added.rawValue)', {}) end
            return
          end
          local after = stored(key)
          if not after then return end
          local changed, isEvent = {}, false
          for i = 1, #names do
            if (before[i] or '') ~= (after[i] or '') then
              changed[#changed + 1] = names[i]
              changed[#changed + 1] = before[i] or ''
              if \(isNoStatistic) then isEvent = true end
            end
          end
          if isEvent then
            append(key, after[\(position(.namespace))], after[\(position(.userID))], kind, changed)
          end
        end
        local function noteRemoval(key, before)
          if not before then return end
          local whole = {'\(Name.isWhole.rawValue)', '1'}
          for i = 1, #names do
            if before[i] then
              whole[#whole + 1] = names[i]
              whole[#whole + 1] = before[i]
            end
          end
          local successor = (origin.successors or {})[string.sub(key, origin.skip + 1)]
          if successor then
            whole[#whole + 1] = '\(Name.successor.rawValue)'
            whole[#whole + 1] = successor
          end
          append(
            key, before[\(position(.namespace))], before[\(position(.userID))],
            '\(MemoryEvent.Kind.deleted.rawValue)', whole)
        end

        """

    private static let names = RecordHash.fields.map { "'\($0)'" }.joined(separator: ", ")

    /// The place of a field in the replies of the script, which begin with 1.
    private static func position(_ field: RecordField) -> Int { field.rawValue + 1 }

    private static let isNoStatistic = MemoryRecord.statistics.map { "i ~= \(position($0))" }
        .joined(separator: " and ")

    /// Who writes, as scripts take it; empty if there is no history.
    ///
    /// - Parameter keyPrefix: what the key of a record has before its id.
    static func argument(_ retention: HistoryRetention, keyPrefix: String) -> String {
        guard retention != .off else { return "" }
        var origin = WriteOrigin.current?.json ?? ["operation": .string(ULID.make())]
        origin["skip"] = .int(keyPrefix.utf8.count)
        return JSONValue.object(origin).jsonText
    }
}
