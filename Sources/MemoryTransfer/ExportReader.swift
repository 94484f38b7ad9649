public import AgentMemory
import Crypto

/// Reads an export from bytes as they come: checks each line, and at the end the counts and the
/// checksum.
public struct ExportReader: Sendable {
    /// One line that was checked.
    public enum Line: Sendable {
        case header(ExportHeader)
        case record(SnapshotRecord)
        case session(WorkingMemory)
        /// The last line, whose counts and checksum are right.
        case end(ExportCounts)
    }

    static let newline = UInt8(ascii: "\n")
    /// Bytes of a line at most: a session is one line.
    public static let longestLine = 256 << 20

    private var buffer: [UInt8] = []
    private var start = 0
    /// The position in the buffer before which no line ends.
    private var searched = 0
    private var hash = SHA256()
    private var header: ExportHeader?
    private var counts = ExportCounts()
    private var hasEnded = false
    /// The number of the last line that was read; the first one is 1.
    public private(set) var lineNumber = 0

    public init() {}

    /// Takes the next bytes.
    public mutating func append(_ bytes: some Sequence<UInt8>) {
        if start > 0 {
            buffer.removeFirst(start)
            searched -= start
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next line; `nil` if the bytes so far have no whole one.
    ///
    /// - Throws: ``MemoryError`` with code `invalidInput`, whose path begins with the line.
    public mutating func next() throws(MemoryError) -> Line? {
        guard let end = buffer[searched...].firstIndex(of: Self.newline) else {
            searched = buffer.count
            guard buffer.count - start <= Self.longestLine else {
                throw fault(.invalid("line", "line \(lineNumber + 1) is longer than \(Self.longestLine >> 20) MiB"))
            }
            return nil
        }
        let bytes = buffer[start..<end]
        lineNumber += 1
        do throws(MemoryError) {
            let line = try read(bytes)
            if !hasEnded { hash.update(data: buffer[start...end]) }
            start = end + 1
            searched = start
            return line
        } catch {
            throw fault(error)
        }
    }

    /// Checks that the last line was read, and nothing follows it.
    ///
    /// - Throws: ``MemoryError`` with code `invalidInput` otherwise.
    public mutating func finish() throws(MemoryError) {
        guard hasEnded else {
            let place = lineNumber == 0 ? "it has no line" : "nothing complete follows line \(lineNumber)"
            throw .invalid("line", "the export is cut short: \(place), and its last line is missing")
        }
        guard start == buffer.count else {
            throw .invalid("line", "the export goes on after its last line \(lineNumber)")
        }
    }

    private func fault(_ error: MemoryError) -> MemoryError {
        error.within(.index(lineNumber)).within(.key("line"))
    }

    private mutating func read(_ bytes: ArraySlice<UInt8>) throws(MemoryError) -> Line {
        let source = "line \(lineNumber)"
        guard !hasEnded else { throw .invalid("line", "\(source) follows the last line of the export") }
        let json: JSONValue
        do throws(JSONSyntaxError) {
            json = try JSONValue(
                parsing: bytes, maximumDepth: JSONValue.maximumDepth + 16, repeatedNames: .refused)
        } catch {
            throw MemoryError(.invalidInput, "\(source) is not JSON at byte \(error.offset): \(error.message)")
        }
        guard json.objectValue != nil else { throw MemoryError(.invalidInput, "\(source) is not an object") }
        guard let header else {
            let header = try ExportHeader(json)
            self.header = header
            return .header(header)
        }
        if json["record"] != nil {
            let record = try RecordLine.record(json, header, of: source)
            counts.records += 1
            return .record(record)
        }
        if json["session"] != nil {
            let session = try SessionLine.session(json, of: source)
            counts.sessions += 1
            return .session(session)
        }
        guard let end = json["end"] else {
            throw MemoryError(.invalidInput, "\(source) has neither a record nor a session, and is not the last line")
        }
        return .end(try checkEnd(end, of: source))
    }

    private mutating func checkEnd(_ json: JSONValue, of source: String) throws(MemoryError) -> ExportCounts {
        let reader = MemberReader(json, of: source, failing: .invalidInput)
        let records = try reader.required("records", \.intValue)
        let sessions = try reader.required("sessions", \.intValue)
        let checksum = try reader.required("sha256", \.stringValue)
        counts.isConsistent = try reader.required("consistent", \.boolValue)
        guard records == counts.records, sessions == counts.sessions else {
            throw .invalid(
                "end",
                "the export was altered: \(source) says \(records) records and \(sessions) sessions, and there are \(counts.records) and \(counts.sessions)"
            )
        }
        guard checksum == hash.finalize().hex else {
            throw .invalid("sha256", "the export was altered: its bytes do not have the checksum of \(source)")
        }
        hasEnded = true
        return counts
    }
}
