import AgentMemory
import RedisDriver

/// The changes of an update to one hash, and their conditions.
struct UpdatePlan: Sendable {
    let key: String
    /// The text, if it changes.
    let newText: String?
    /// Fields that must still have these values; `nil` is absent.
    private let conditions: [(field: String, value: [UInt8]?)]
    private var sets: [(field: String, value: [UInt8])]
    private var removals: [String]
    /// The field for the vector of a new text; those of other models are removed then.
    private var vectorField: String?

    /// - Parameters:
    ///   - values: the hash as it was read, in the order of ``RecordHash/fields``.
    ///   - guardsOwner: whether the record must still belong to the namespace and user that it
    ///     belonged to when it was read.
    init(_ change: UpdateFold.Change, _ values: [RedisValue], key: String, guardsOwner: Bool) {
        self.key = key
        newText = change.newText

        let before = Self.dictionary(change.before)
        let after = Self.dictionary(change.after)
        // Changed fields are written even if the record has the value already: another writer may
        // just have changed it.
        var written = Set(after.keys).union(before.keys).filter {
            before[$0]?.utf8.elementsEqual(after[$0]?.utf8 ?? "".utf8) != true
        }
        for changes in change.applied { written.formUnion(changes.fields.map(RecordHash.name)) }
        if written.contains(RecordHash.name(.metadata)) { written.insert(RecordHash.metadataTerms) }
        if newText == nil { written.remove(RecordHash.name(.text)) }
        let names = written.sorted()
        sets = names.compactMap { field in after[field].map { (field, Array($0.utf8)) } }
        removals = names.filter { after[$0] == nil }

        // The memory hash is made from these, and a new text needs a vector.
        var read: Set<RecordField> = []
        if change.applied.contains(where: \.touchesHash) { read.formUnion(RecordField.hashed) }
        if change.applied.contains(where: { $0.access != nil }) { read.formUnion([.lastAccessed, .accessCount]) }
        // Together they decide whether the change is permitted.
        if change.after.pinned || change.after.expiresAt != nil { read.formUnion([.pinned, .expiresAt]) }
        if guardsOwner { read.formUnion([.namespace, .userID]) }
        conditions = RecordField.allCases.filter(read.contains).map { field in
            if case .bytes(let bytes) = values[field.rawValue] { return (RecordHash.name(field), bytes) }
            return (RecordHash.name(field), nil)
        }
    }

    /// Fields derived from a new text.
    mutating func setText(terms: String, encoding: TextEncoding, in field: String) {
        sets.append((RecordHash.keywordTerms, Array(terms.utf8)))
        sets.append((field, RecordHash.bytes(of: encoding.vector)))
        if let tokens = encoding.tokens {
            sets.append((RecordHash.tokenBits, tokens.bits.storedBytes))
        } else {
            removals.append(RecordHash.tokenBits)
        }
        vectorField = field
    }

    private static func dictionary(_ record: MemoryRecord) -> [String: String] {
        Dictionary(RecordHash.fields(of: record).map { ($0.name, $0.value) }) { $1 }
    }

    // MARK: The script

    /// Takes the key of the registry of models and that of the stream of events, then who writes
    /// (``EventScript``), and a plan for each further key. If a record was
    /// deleted or a condition does not hold, it writes nothing and returns 0; if the vectors of
    /// this server's model were removed, -1. Otherwise it writes everything and returns 1.
    static let script = RedisScript(
        """
        local at = 0
        local function take()
          at = at + 1
          return ARGV[at]
        end
        \(EventScript.functions)
        eventsOf(KEYS[2], take())
        local plans = {}
        for i = 3, #KEYS do
          local key = KEYS[i]
          if redis.call('EXISTS', key) == 0 then return 0 end
          for _ = 1, tonumber(take()) do
            local field = take()
            local present = take()
            local value = take()
            local now = redis.call('HGET', key, field)
            if present == '1' then
              if now ~= value then return 0 end
            elseif now then
              return 0
            end
          end
          local sets = {'HSET', key}
          for _ = 1, tonumber(take()) * 2 do sets[#sets + 1] = take() end
          local removals = {'HDEL', key}
          for _ = 1, tonumber(take()) do removals[#removals + 1] = take() end
          local vector = take()
          if vector ~= '' then
            local fields = redis.call('HGET', KEYS[1], '\(EmbeddingSpaceRegistry.vectorFields)')
            local known = not fields or fields == ''
            for field in string.gmatch(fields or '', '%S+') do
              if field == vector then known = true else removals[#removals + 1] = field end
            end
            if not known then return -1 end
          end
          plans[i - 2] = {removals, sets}
        end
        for i, plan in ipairs(plans) do
          local before = stored(KEYS[i + 2])
          for _, command in ipairs(plan) do
            if #command > 2 then redis.call(unpack(command)) end
          end
          noteWrite(KEYS[i + 2], before, '\(MemoryEvent.Kind.changed.rawValue)')
        end
        return 1
        """)

    func append(to command: inout RedisCommand) {
        command.append(conditions.count)
        for (field, value) in conditions {
            command.append(field)
            command.append(value == nil ? "0" : "1")
            command.append(bytes: value ?? [])
        }
        command.append(sets.count)
        for (field, value) in sets {
            command.append(field)
            command.append(bytes: value)
        }
        command.append(removals.count)
        command.append(removals)
        command.append(vectorField ?? "")
    }
}
