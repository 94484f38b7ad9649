/// Which part of an ordered result a call asks for.
public struct PageRequest: Sendable, Equatable {
    /// 1 to 10,000 results.
    public let limit: Int
    /// Results to skip; any number from 0 on.
    public let offset: Int

    public static let maximumLimit = 10_000

    /// - Throws: ``MemoryError`` with code `invalidInput`.
    public init(limit: Int = 10, offset: Int = 0) throws(MemoryError) {
        guard (1...Self.maximumLimit).contains(limit) else {
            throw .invalid("limit", "limit must be between 1 and \(Self.maximumLimit)")
        }
        guard offset >= 0 else { throw .invalid("offset", "offset must not be negative") }
        self.limit = limit
        self.offset = offset
    }

    /// offset + limit, held at the largest integer.
    public var end: Int {
        let (sum, overflow) = offset.addingReportingOverflow(limit)
        return overflow ? .max : sum
    }

    /// The part of a whole ordered result that is asked for.
    public func part<Element>(of all: [Element]) -> ArraySlice<Element> {
        all[min(offset, all.count)..<min(end, all.count)]
    }
}

/// One page of a result that has `total` elements.
public struct Page<Element: Sendable>: Sendable {
    public let items: [Element]
    /// How many records match, independent of the page (rule P2).
    public let total: Int
    /// Where the next page begins; `nil` when there is none (rule P3).
    public let nextOffset: Int?

    public init(items: [Element], total: Int, request: PageRequest) {
        self.items = items
        self.total = total
        self.nextOffset = request.end < total ? request.end : nil
    }

    /// The page of a whole ordered result.
    public init(of all: [Element], request: PageRequest) {
        self.init(items: Array(request.part(of: all)), total: all.count, request: request)
    }

    /// A page as another server returned it, for databases that pass calls on.
    public init(items: [Element], total: Int, nextOffset: Int?) {
        self.items = items
        self.total = total
        self.nextOffset = nextOffset
    }

    public func map<Other: Sendable>(_ transform: (Element) throws -> Other) rethrows -> Page<Other> {
        Page<Other>(items: try items.map(transform), total: total, nextOffset: nextOffset)
    }

    /// The same page with its items in another order.
    public func reordered(_ order: ([Element]) -> [Element]) -> Page {
        Page(items: order(items), total: total, nextOffset: nextOffset)
    }
}

extension Page: Equatable where Element: Equatable {}
