import AgentMemory

/// Makes a failing history smaller while it still fails.
///
/// It works on the JSON of the script, without knowledge of the steps: it drops lines, then
/// elements, members and characters. A result that is not a valid history is not a candidate. This
/// way every part of every call can be removed, including those of calls that are added later.
struct HistoryShrinker {
    /// The result of a candidate: `nil` if both databases agree.
    typealias Replay = (History) async throws -> HistoryReplay.Divergence?

    private let replay: Replay
    private let deadline: ContinuousClock.Instant
    private var attemptsLeft: Int
    private(set) var smallest: History
    private(set) var divergence: HistoryReplay.Divergence

    /// - Parameters:
    ///   - divergence: the failure of `history`.
    ///   - time: no further candidate is tried after it.
    init(
        _ history: History, _ divergence: HistoryReplay.Divergence, time: Duration = .seconds(20), attempts: Int = 3000,
        replay: @escaping Replay
    ) {
        smallest = history
        self.divergence = divergence
        deadline = .now + time
        attemptsLeft = attempts
        self.replay = replay
    }

    mutating func run() async throws {
        // Steps after the one that failed are not needed.
        if divergence.step < smallest.steps.count {
            _ = try await accept(History(steps: Array(smallest.steps.prefix(divergence.step))))
        }
        var before = ""
        while before != smallest.script, attemptsLeft > 0, .now < deadline {
            before = smallest.script
            _ = try await shrunk(.array(smallest.lines)) { $0 }
            try await shortenNames()
        }
    }

    /// Replays the candidate, and keeps it if it fails too.
    private mutating func accept(_ candidate: History) async throws -> Bool {
        guard attemptsLeft > 0, .now < deadline else { return false }
        attemptsLeft -= 1
        guard let divergence = try await replay(candidate) else { return false }
        smallest = candidate
        self.divergence = divergence
        return true
    }

    private mutating func accept(_ candidate: JSONValue) async throws -> Bool {
        guard let lines = candidate.arrayValue, let history = try? History(lines: lines) else { return false }
        return try await accept(history)
    }

    /// The smallest value that still fails in the place of `value`.
    ///
    /// - Parameter place: the lines of the history with another value in that place.
    private mutating func shrunk(
        _ value: JSONValue, _ place: @escaping (JSONValue) -> JSONValue
    ) async throws -> JSONValue {
        switch value {
        case .array(let elements):
            var kept = try await reduced(elements) { place(.array($0)) }
            for index in kept.indices {
                let others = kept
                kept[index] = try await shrunk(kept[index]) { element in
                    var elements = others
                    elements[index] = element
                    return place(.array(elements))
                }
            }
            return .array(kept)
        case .object(var object):
            for name in object.members.map(\.name) {
                var without = object
                without[name] = nil
                if try await accept(place(.object(without))) { object = without }
            }
            for (name, value) in object.members {
                let others = object
                object[name] = try await shrunk(value) { value in
                    var members = others
                    members[name] = value
                    return place(.object(members))
                }
            }
            return .object(object)
        case .string(let string):
            return .string(
                Self.string(try await reduced(Array(string.unicodeScalars)) { place(.string(Self.string($0))) }))
        case .null, .bool, .number: return value
        }
    }

    /// The elements without those that are not needed: first halves are left out, then quarters,
    /// and finally single ones.
    private mutating func reduced<Element>(
        _ elements: [Element], _ place: ([Element]) -> JSONValue
    ) async throws -> [Element] {
        var kept = elements
        var size = kept.count
        while size > 0 {
            var start = 0
            while start < kept.count {
                var candidate = kept
                candidate.removeSubrange(start..<min(start + size, kept.count))
                if try await accept(place(candidate)) { kept = candidate } else { start += size }
            }
            size /= 2
        }
        return kept
    }

    /// Replaces ids and other values that occur in several places by a short name, the same in all
    /// of them.
    private mutating func shortenNames() async throws {
        var names: [String] = []
        for line in smallest.lines { Self.strings(in: line) { names.append($0) } }
        names = names.exactlyDistinct()
        var unused = "abcdefghijklmnopqrstuvwxyz".map(String.init).filter { !names.contains($0) }
        for name in names where name.utf8.count > 1 {
            guard let short = unused.first else { return }
            let renamed = smallest.lines.map { Self.replacing(name, by: short, in: $0) }
            if try await accept(.array(renamed)) { unused.removeFirst() }
        }
    }

    // MARK: JSON

    private static func string(_ scalars: [Unicode.Scalar]) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        return String(view)
    }

    private static func strings(in value: JSONValue, _ body: (String) -> Void) {
        switch value {
        case .string(let string): body(string)
        case .array(let elements): for element in elements { strings(in: element, body) }
        case .object(let object): for member in object.members { strings(in: member.value, body) }
        case .null, .bool, .number: break
        }
    }

    private static func replacing(_ name: String, by other: String, in value: JSONValue) -> JSONValue {
        switch value {
        case .string(let string): return .string(ExactString(string) == ExactString(name) ? other : string)
        case .array(let elements): return .array(elements.map { replacing(name, by: other, in: $0) })
        case .object(let object):
            var replaced = JSONObject()
            for member in object.members { replaced[member.name] = replacing(name, by: other, in: member.value) }
            return .object(replaced)
        case .null, .bool, .number: return value
        }
    }
}
