#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Reads a value from a file of its own, as container platforms hand secrets over.
public enum SecretFile {
    /// Why the file cannot be used. Never quotes its contents.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    private static let maximumBytes = 64 << 10

    /// The text of the file without the line break at its end.
    ///
    /// - Throws: ``Failure``.
    public static func read(_ path: String) throws(Failure) -> String {
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw Failure(description: "the file cannot be read")
        }
        guard bytes.count <= maximumBytes else {
            throw Failure(description: "the file is larger than \(maximumBytes) bytes")
        }
        guard var text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(description: "the file is not UTF-8")
        }
        if text.utf8.last == UInt8(ascii: "\n") { text.unicodeScalars.removeLast() }
        if text.utf8.last == UInt8(ascii: "\r") { text.unicodeScalars.removeLast() }
        guard !text.isEmpty else { throw Failure(description: "the file is empty") }
        return text
    }
}
