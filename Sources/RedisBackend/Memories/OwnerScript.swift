import AgentMemory

/// What scripts need to decide whether a caller may replace or remove a record.
enum OwnerScript {
    /// Lua: `reaches(scope, key)`, whether the record at the key is within a scope, and
    /// `scopeOf(text)`, which reads ``argument(_:)``; `nil` for everything.
    static let functions = """
        local function scopeOf(text)
          if text == '' then return nil end
          return cjson.decode(text)
        end
        local function permits(patterns, value)
          for _, pattern in ipairs(patterns) do
            if pattern == '*' then return true end
            if value and value ~= '' then
              if string.sub(pattern, -1) == '*' then
                if string.sub(value, 1, #pattern - 1) == string.sub(pattern, 1, -2) then return true end
              elseif value == pattern then
                return true
              end
            end
          end
          return false
        end
        local function reaches(scope, key)
          if not scope then return true end
          local owner = redis.call('HMGET', key, 'user_id', 'namespace')
          return permits(scope.user_ids, owner[1]) and permits(scope.namespaces, owner[2])
        end

        """

    /// A scope as scripts take it.
    static func argument(_ scope: AccessScope) -> String {
        scope.isEverything ? "" : JSONValue.object(scope.json).jsonText
    }
}
