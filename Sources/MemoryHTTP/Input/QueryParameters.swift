import AgentMemory

/// The parameters of a query string, as HTML forms and Python's httpx encode them: `+` is a blank, names may repeat.
struct QueryParameters {
    private let parameters: [(name: String, value: String)]

    /// - Parameter query: what stands after the `?`, still encoded.
    init(_ query: some StringProtocol) {
        parameters = query.utf8.split(separator: UInt8(ascii: "&")).compactMap { pair in
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = percentDecoded(parts[0], plusIsBlank: true),
                let value = percentDecoded(parts.count > 1 ? parts[1] : parts[0].suffix(0), plusIsBlank: true)
            else { return nil }
            return (name, value)
        }
    }

    /// Every value that was given under `name`.
    func all(_ name: String) -> [String] {
        parameters.filter { $0.name == name }.map(\.value)
    }

    /// The values as texts by their names; of a name given twice the last one.
    var object: JSONObject {
        var object = JSONObject()
        for parameter in parameters { object[parameter.name] = .string(parameter.value) }
        return object
    }
}

/// Resolves `%hh`; `nil` for a broken escape or for bytes that are not UTF-8.
func percentDecoded(_ bytes: some Sequence<UInt8>, plusIsBlank: Bool = false) -> String? {
    var decoded: [UInt8] = []
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
        default:
            decoded.append(byte)
        }
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
