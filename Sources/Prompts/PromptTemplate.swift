/// A prompt with places for values, such as `{query}`.
///
/// Other braces are text, so that a prompt can show JSON. A value is put in as it is: what it
/// holds, braces too, is not read as a place.
public struct PromptTemplate: Sendable, Equatable {
    private enum Part: Equatable {
        case text(String)
        case place(String)
    }

    private let parts: [Part]

    /// - Parameters:
    ///   - text: the prompt.
    ///   - places: the names that have a value.
    /// - Throws: ``MissingPlace`` if one of them is not in the text.
    public init(_ text: String, places: [String]) throws(MissingPlace) {
        self.init(text, optionalPlaces: places)
        for name in places where !holds(name) { throw MissingPlace(name: name) }
    }

    /// A prompt in which any of the names may have a place, as often as it likes.
    public init(_ text: String, optionalPlaces places: [String]) {
        var parts: [Part] = []
        var rest = text[...]
        while let place = Self.first(of: places, in: rest) {
            if place.range.lowerBound > rest.startIndex { parts.append(.text(String(rest[..<place.range.lowerBound]))) }
            parts.append(.place(place.name))
            rest = rest[place.range.upperBound...]
        }
        if !rest.isEmpty { parts.append(.text(String(rest))) }
        self.parts = parts
    }

    /// Whether the name has a place.
    public func holds(_ name: String) -> Bool { parts.contains(.place(name)) }

    /// A place that a prompt needs and does not have.
    public struct MissingPlace: Error, CustomStringConvertible {
        public let name: String

        public var description: String { "the prompt must hold {\(name)}" }
    }

    /// The prompt with its values.
    ///
    /// - Parameter values: one for each place.
    public func filled(with values: [String: String]) -> String {
        parts.map { part in
            switch part {
            case .text(let text): text
            case .place(let name): values[name] ?? ""
            }
        }.joined()
    }

    private static func first(of places: [String], in text: Substring) -> (name: String, range: Range<String.Index>)? {
        places.compactMap { name in text.firstRange(of: "{\(name)}").map { (name: name, range: $0) } }
            .min { $0.range.lowerBound < $1.range.lowerBound }
    }
}
