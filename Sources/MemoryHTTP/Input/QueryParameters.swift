import AgentMemory
import MemoryAPI

/// The parameters of a query string, as HTML forms and Python's httpx encode them: `+` is a blank.
///
/// A parameter that cannot be used is refused, never dropped: it might be meant to narrow the
/// request, and the response would then include the data of others.
struct QueryParameters: Sendable {
    private let parameters: [(name: String, value: String)]

    /// - Parameter query: the part after the `?`, still encoded.
    /// - Throws: ``ValidationFailure`` that names each parameter that is not percent-encoded UTF-8,
    ///   that the route does not have, or that has two different values.
    init(_ query: some StringProtocol, expecting expected: ParameterNames) throws(ValidationFailure) {
        let issues = IssueList()
        var parameters: [(name: String, value: String)] = []
        for pair in query.utf8.split(separator: UInt8(ascii: "&")) where !issues.isFull {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = percentDecoded(parts[0], plusIsBlank: true) else {
                issues.add(Self.undecodable(at: [.key("query")], "The name of a parameter", parts[0]))
                continue
            }
            guard let value = percentDecoded(parts.count > 1 ? parts[1] : parts[0].suffix(0), plusIsBlank: true)
            else {
                issues.add(Self.undecodable(at: Self.location(of: name), "The value", parts[1]))
                continue
            }
            if expected.taken.contains(name) {
                guard let given = parameters.first(where: { $0.name == name }) else {
                    parameters.append((name, value))
                    continue
                }
                if ExactString(given.value) != ExactString(value) { issues.add(Self.contradiction(name, value)) }
            } else if expected.lists.contains(name) {
                parameters.append((name, value))
            } else if !expected.ignored.contains(name) {
                issues.add(Self.unknown(name, value, expected))
            }
        }
        try issues.check()
        self.parameters = parameters
    }

    /// Every value that was given under `name`.
    func all(_ name: String) -> [String] {
        parameters.filter { $0.name == name }.map(\.value)
    }

    /// The values as strings by their names, as members of an object.
    var reader: BodyReader {
        var object = JSONObject()
        for parameter in parameters { object[parameter.name] = .string(parameter.value) }
        return BodyReader(.object(object), at: [.key("query")])
    }

    private static func location(of name: String) -> [MemoryError.PathComponent] { [.key("query"), .key(name)] }

    private static func undecodable(
        at location: [MemoryError.PathComponent], _ what: String, _ raw: some Sequence<UInt8>
    ) -> ValidationIssue {
        ValidationIssue(
            "string_unicode", at: location, "\(what) should be percent-encoded UTF-8",
            input: .string(String(decoding: Array(raw), as: UTF8.self)))
    }

    private static func contradiction(_ name: String, _ value: String) -> ValidationIssue {
        ValidationIssue(
            "value_error", at: location(of: name), "Value error, \(name) is given twice, with different values",
            input: .string(value))
    }

    private static func unknown(_ name: String, _ value: String, _ expected: ParameterNames) -> ValidationIssue {
        let known = expected.taken + expected.lists
        let hint = known.isEmpty ? "this route takes none" : "known are \(known.joined(separator: ", "))"
        return ValidationIssue(
            "extra_forbidden", at: location(of: name), "Unknown parameter; \(hint)", input: .string(value))
    }
}

/// Resolves `%hh`; `nil` for a broken escape, for bytes that are not UTF-8, and for characters that
/// a URL cannot have unencoded: a `#`, or the replacement character, which the HTTP codec puts in
/// place of bytes that are not UTF-8.
func percentDecoded(_ bytes: some Sequence<UInt8>, plusIsBlank: Bool = false) -> String? {
    var decoded: [UInt8] = []
    var last: (UInt8, UInt8) = (0, 0)
    var iterator = bytes.makeIterator()
    while let byte = iterator.next() {
        switch byte {
        case UInt8(ascii: "%"):
            guard let high = iterator.next().flatMap(hexDigit), let low = iterator.next().flatMap(hexDigit) else {
                return nil
            }
            decoded.append(high << 4 | low)
        case UInt8(ascii: "+") where plusIsBlank:
            decoded.append(UInt8(ascii: " "))
        case UInt8(ascii: "#"):
            return nil
        case 0xBD where last == (0xEF, 0xBF):
            return nil
        default:
            decoded.append(byte)
        }
        last = (last.1, byte)
    }
    return String(validating: decoded, as: UTF8.self)
}

private func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}
