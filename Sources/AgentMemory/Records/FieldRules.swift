/// The rules for a record's values (R1, R4, R5), in one place: every record, change and filter is
/// made through these functions.
enum FieldRules {
    /// UTF-8 bytes that an id or a tag value may have.
    static let maximumBytes = 512

    /// - Throws: ``MemoryError`` with code `invalidInput` that names `field`.
    static func checkedID(_ id: String, field: String = "id") throws(MemoryError) -> String {
        guard !isBlank(id) else { throw .invalid(field, "\(field) must not be empty") }
        guard id.utf8.count <= maximumBytes else { throw .invalid(field, "\(field) must not be longer than 512 bytes") }
        guard !hasControlCharacter(id) else { throw .invalid(field, "\(field) must not contain control characters") }
        return id
    }

    static func checkedText(_ text: String) throws(MemoryError) -> String {
        guard !isBlank(text) else { throw .invalid("text", "text must not be empty") }
        guard !text.utf8.contains(0) else { throw .invalid("text", "text must not contain the NUL character") }
        return text
    }

    /// The value trimmed of surrounding white space; `nil` if nothing remains, which counts as
    /// absent.
    static func tag(_ value: String?, field: String) throws(MemoryError) -> String? {
        guard let value else { return nil }
        guard !hasControlCharacter(value) else { throw .invalid(field, "\(field) must not contain control characters") }
        let trimmed = trim(value)
        guard trimmed.utf8.count <= maximumBytes else {
            throw .invalid(field, "a value of \(field) must not be longer than 512 bytes")
        }
        return trimmed.isEmpty ? nil : trimmed
    }

    /// The values of a list field, trimmed; empty ones are left out. A comma is refused because the
    /// Redis hash joins the values with commas.
    static func tags(_ values: [String], field: String) throws(MemoryError) -> [String] {
        var kept: [String] = []
        kept.reserveCapacity(values.count)
        for (index, value) in values.enumerated() {
            do throws(MemoryError) {
                guard !value.utf8.contains(UInt8(ascii: ",")) else {
                    throw MemoryError(.invalidInput, "a value of \(field) must not contain a comma")
                }
                if let tag = try tag(value, field: field) { kept.append(tag) }
            } catch {
                throw MemoryError(error.code, error.message, path: [.key(field), .index(index)])
            }
        }
        return kept
    }

    /// - Throws: ``MemoryError`` with code `invalidInput` for more keys than filters index.
    static func metadata(_ metadata: JSONObject) throws(MemoryError) -> JSONObject {
        guard metadata.members.count <= MetadataCondition.maximumKeys else {
            throw .invalid(
                "metadata", "metadata must not have more than \(MetadataCondition.maximumKeys) keys at its top level")
        }
        return metadata
    }

    /// - Throws: ``MemoryError`` with code `invalidInput` for a pinned record that would expire.
    static func checkExpiry(_ expiresAt: Timestamp?, pinned: Bool) throws(MemoryError) {
        guard pinned, expiresAt != nil else { return }
        throw .invalid("expires_at", "a pinned memory must not have expires_at")
    }

    static func isBlank(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy(\.properties.isWhitespace)
    }

    static func trim(_ text: String) -> String {
        let scalars = text.unicodeScalars
        guard let first = scalars.first, let last = scalars.last,
            first.properties.isWhitespace || last.properties.isWhitespace
        else { return text }
        guard let start = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
            let end = scalars.lastIndex(where: { !$0.properties.isWhitespace })
        else { return "" }
        return String(scalars[start...end])
    }

    /// Unicode's category Cc: U+0000 to U+001F and U+007F to U+009F.
    static func hasControlCharacter(_ text: String) -> Bool {
        text.unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) }
    }
}
