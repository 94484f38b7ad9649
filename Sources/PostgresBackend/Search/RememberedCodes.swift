import PostgresDriver
import Synchronization

/// Codes of users whose memories are searched often, in the memory of this server.
///
/// They choose which vectors the store measures. Whether they are still those of the store, the
/// store says in the same statement (`Migrations/0018_note_owner_changes.sql`).
final class RememberedCodes: Sendable {
    /// A filter, and what the transaction may reach, if row security limits it.
    struct Key: Hashable {
        /// The statement that reads the codes.
        let reading: PostgresStatement
        let limit: PostgresStatement?
    }

    private enum State {
        /// The store compared the codes, once or more often since then.
        case compared(ContinuousClock.Instant, times: Int)
        /// A search reads the codes.
        case loading
        case held(OwnerCodes, used: ContinuousClock.Instant)
        /// The codes were not usable.
        case resting(until: ContinuousClock.Instant)
    }

    private struct Contents {
        var states: [Key: State] = [:]
        var bytes = 0
    }

    /// The number of filters that are kept without codes.
    private static let mostKeys = 1000
    /// Codes are read for the search after this many in ``window``.
    private static let searches = 2
    private static let window: Duration = .seconds(60)
    private static let rest: Duration = .seconds(60)
    /// Codes that no search uses are kept so long.
    static let keeping: Duration = .seconds(600)

    /// In bytes; 0 keeps none.
    let limit: Int
    private let contents = Mutex(Contents())

    init(limit: Int) {
        self.limit = limit
    }

    /// Whether so many records may be kept. One filter takes at most a quarter, so that one user
    /// does not displace all others.
    func permits(records: Int, dimensions: Int) -> Bool {
        records <= limit / 4 / OwnerCodes.bytes(ofDimensions: dimensions)
    }

    /// What is held for a filter.
    func codes(for key: Key) -> OwnerCodes? {
        contents.withLock { contents in
            guard case .held(let codes, _) = contents.states[key] else { return nil }
            contents.states[key] = .held(codes, used: .now)
            return codes
        }
    }

    /// Notes that the store has compared the codes of a filter.
    func noteComparison(for key: Key) {
        contents.withLock { contents in
            switch contents.states[key] {
            case .held, .loading: return
            case .resting(let end) where end > .now: return
            case .compared(let start, let times) where start + Self.window > .now:
                contents.states[key] = .compared(start, times: times + 1)
            case .compared, .resting, nil:
                // Rarely, and then all: what is used will be there again soon.
                if contents.states.count >= Self.mostKeys {
                    contents.states = contents.states.filter { if case .held = $1 { true } else { false } }
                }
                contents.states[key] = .compared(.now, times: 1)
            }
        }
    }

    /// Whether the caller is to read the codes of a filter, and then ``hold(_:for:)`` or
    /// ``rest(_:)``.
    func beginsLoading(_ key: Key) -> Bool {
        contents.withLock { contents in
            guard case .compared(_, let times) = contents.states[key], times >= Self.searches else { return false }
            contents.states[key] = .loading
            return true
        }
    }

    /// Keeps codes, in place of those that were not used for the longest time.
    func hold(_ codes: OwnerCodes, for key: Key) {
        contents.withLock { contents in
            Self.remove(key, from: &contents)
            contents.bytes += codes.bytes
            contents.states[key] = .held(codes, used: .now)
            while contents.bytes > limit, let oldest = Self.oldest(in: contents) {
                Self.remove(oldest, from: &contents)
            }
        }
    }

    /// Drops the codes of a filter; the next search reads them again.
    func drop(_ key: Key) {
        contents.withLock { contents in
            Self.remove(key, from: &contents)
            contents.states[key] = .compared(.now, times: Self.searches)
        }
    }

    /// Drops the codes of a filter for a while, because they are not usable.
    func rest(_ key: Key) {
        contents.withLock { contents in
            Self.remove(key, from: &contents)
            contents.states[key] = .resting(until: .now + Self.rest)
        }
    }

    /// Drops the codes that no search has used since then.
    func drop(unusedSince start: ContinuousClock.Instant) {
        contents.withLock { contents in
            while let oldest = Self.oldest(in: contents), case .held(_, let used) = contents.states[oldest],
                used < start
            {
                Self.remove(oldest, from: &contents)
            }
        }
    }

    private static func remove(_ key: Key, from contents: inout Contents) {
        if case .held(let codes, _) = contents.states.removeValue(forKey: key) { contents.bytes -= codes.bytes }
    }

    private static func oldest(in contents: Contents) -> Key? {
        contents.states.compactMap { key, state in
            if case .held(_, let used) = state { (key: key, used: used) } else { nil }
        }.min { $0.used < $1.used }?.key
    }
}
