/// A URL or a libpq keyword string with what may be secret replaced by `***`. Where it is not clear how such a text is meant, more is
/// hidden rather than less.
func maskingCredentials(_ text: String) -> String {
    var masked = text
    if let scheme = masked.firstRange(of: "://") {
        // A password may hold a slash that should have been escaped: so look for the last @ before the parameters.
        let rest = masked[scheme.upperBound...].prefix { $0 != "?" && $0 != "#" }
        if let at = rest.lastIndex(of: "@"), let colon = rest[..<at].firstIndex(of: ":") {
            masked.replaceSubrange(masked.index(after: colon)..<at, with: "***")
        }
    }
    return maskingAssignments(masked)
}

/// Hides the values of `password = value`, `password='a value'` and `password=value&` wherever they stand.
private func maskingAssignments(_ text: String) -> String {
    var shown = ""
    var rest = text[...]
    while let name = rest.firstRange(of: #/(?i)(password|passphrase|token|secret)\s*=\s*/#) {
        shown += rest[..<name.upperBound] + "***"
        rest = rest[name.upperBound...]
        guard rest.first == "'" else {
            rest = rest.drop { !$0.isWhitespace && $0 != "&" && $0 != "#" }
            continue
        }
        var escaped = false
        rest = rest.dropFirst().drop { character in
            if escaped {
                escaped = false
                return true
            }
            escaped = character == "\\"
            return character != "'"
        }.dropFirst()
    }
    return shown + rest
}
