import AgentMemory

/// Encodings by text; the one that was not asked for longest goes first. It takes memory only for
/// what it holds.
struct VectorCache: Sendable {
    private struct Entry {
        let key: TextKey
        let encoding: TextEncoding
        /// Positions of the entries that were used right after and right before this one; -1 for
        /// none.
        var newer: Int
        var older: Int
    }

    /// For the table's slots, the entry and the array's header.
    private static let overhead = 128

    private let maximumEntries: Int
    private let maximumBytes: Int
    private var places: [TextKey: Int] = [:]
    private var entries: [Entry?] = []
    private var free: [Int] = []
    private var newest = -1
    private var oldest = -1
    /// Of vectors, keys and the overhead, approximately.
    private(set) var bytes = 0

    init(maximumEntries: Int, maximumBytes: Int) {
        self.maximumEntries = maximumEntries
        self.maximumBytes = maximumBytes
    }

    var count: Int { places.count }

    /// The encoding, which becomes the newest.
    mutating func encoding(for key: TextKey) -> TextEncoding? {
        guard let place = places[key], let entry = entries[place] else { return nil }
        if place != newest {
            unlink(place)
            link(place)
        }
        return entry.encoding
    }

    /// Keeps the encoding, unless it alone is above the limit, and drops the oldest until all fits.
    mutating func insert(_ encoding: TextEncoding, for key: TextKey) {
        remove(key)
        let entry = Entry(key: key, encoding: encoding, newer: -1, older: -1)
        let size = Self.size(of: entry)
        guard maximumEntries > 0, size <= maximumBytes else { return }
        while count >= maximumEntries || bytes + size > maximumBytes, oldest >= 0, let last = entries[oldest] {
            remove(last.key)
        }
        let place: Int
        if let reused = free.popLast() {
            place = reused
            entries[place] = entry
        } else {
            place = entries.count
            entries.append(entry)
        }
        places[key] = place
        bytes += size
        link(place)
    }

    private mutating func remove(_ key: TextKey) {
        guard let place = places.removeValue(forKey: key), let entry = entries[place] else { return }
        bytes -= Self.size(of: entry)
        unlink(place)
        entries[place] = nil
        free.append(place)
    }

    private mutating func link(_ place: Int) {
        entries[place]?.older = newest
        entries[place]?.newer = -1
        if newest >= 0 { entries[newest]?.newer = place }
        newest = place
        if oldest < 0 { oldest = place }
    }

    private mutating func unlink(_ place: Int) {
        guard let entry = entries[place] else { return }
        if entry.newer >= 0 { entries[entry.newer]?.older = entry.older } else { newest = entry.older }
        if entry.older >= 0 { entries[entry.older]?.newer = entry.newer } else { oldest = entry.newer }
    }

    private static func size(of entry: Entry) -> Int {
        let tokens =
            entry.encoding.tokens.map { tokens in
                // Strings of up to 15 bytes, as most words are, have no memory of their own.
                tokens.bits.words.count * 8 + tokens.words.count * MemoryLayout<String>.size
            } ?? 0
        return entry.key.size + entry.encoding.vector.count * MemoryLayout<Float>.size + tokens + overhead
    }
}
