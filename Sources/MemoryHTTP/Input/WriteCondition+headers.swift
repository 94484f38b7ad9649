import AgentMemory
import HTTPTypes
import MemoryService

extension WriteCondition {
    /// The condition of If-Match and If-None-Match (RFC 9110, 13.1). A tag that this server never
    /// sent matches no revision.
    ///
    /// - Throws: ``MemoryError`` with code `invalidCombination` for both at once, or If-None-Match
    ///   with anything but `*`.
    init(_ headers: HTTPFields) throws(MemoryError) {
        switch (headers[.ifMatch], headers[.ifNoneMatch]) {
        case (nil, nil): self = .none
        case ("*"?, nil): self = .exists
        case (nil, "*"?): self = .absent
        case (let tags?, nil):
            self = .revision(
                tags.split(separator: ",").compactMap { tag in
                    let tag = tag.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" }
                    guard tag.count > 2, tag.first == "\"", tag.last == "\"" else { return nil }
                    return Int(tag.dropFirst().dropLast())
                })
        default:
            throw MemoryError(
                .invalidCombination, "a write takes If-Match with tags or *, or If-None-Match: *, not both")
        }
    }
}
