import AgentMemory
import Crypto

/// The ids of records whose import makes new ones.
///
/// One export gives a record the same new id each time, so that an import which was interrupted can
/// be repeated, and so that a memory of a session and its record keep one id.
public enum NewID {
    private static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)

    /// 26 characters of Crockford's base32, as ULIDs have them.
    ///
    /// - Parameters:
    ///   - id: of the record in the export.
    ///   - export: ``ExportHeader/id``.
    public static func of(_ id: String, in export: String) -> String {
        let digest = Array(SHA256.hash(data: Array(export.utf8) + [0] + Array(id.utf8)))
        // The first character of a ULID is 7 at most.
        let characters = (0..<26).map { alphabet[Int(digest[$0]) & ($0 == 0 ? 7 : 31)] }
        return String(decoding: characters, as: UTF8.self)
    }
}
