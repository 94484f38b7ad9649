/// A string that is compared and ordered by its UTF-8 bytes.
///
/// Swift's own `==` and hashing treat canonically equivalent strings as equal ("é" in one or in two
/// code points). Ids and tag values are compared code point by code point (rule F1) and ordered by
/// bytes (rule P1). Use this type as a dictionary's key, in sets, and to sort by id.
public struct ExactString: Sendable, Hashable, Comparable {
    public let value: String

    public init(_ value: String) {
        self.value = value
    }

    public static func == (a: ExactString, b: ExactString) -> Bool {
        guard a.value.utf8.count == b.value.utf8.count else { return false }
        // Compares the bytes in memory, many times as fast as with the views' own iterators.
        let isEqual = a.value.utf8.withContiguousStorageIfAvailable { first in
            b.value.utf8.withContiguousStorageIfAvailable { second in first.elementsEqual(second) }
        }
        return isEqual.flatMap(\.self) ?? a.value.utf8.elementsEqual(b.value.utf8)
    }

    public static func < (a: ExactString, b: ExactString) -> Bool {
        a.value.utf8.lexicographicallyPrecedes(b.value.utf8)
    }

    public func hash(into hasher: inout Hasher) {
        var value = value
        value.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        hasher.combine(UInt8(0xFF))
    }
}

extension Sequence<String> {
    /// The values in their order, each once, compared by bytes.
    public func exactlyDistinct() -> [String] {
        var seen: Set<ExactString> = []
        return filter { seen.insert(ExactString($0)).inserted }
    }
}
