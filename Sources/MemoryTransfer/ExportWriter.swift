public import AgentMemory
import Crypto

/// Makes the lines of an export, counts them, and computes the checksum over all of their bytes.
public struct ExportWriter: Sendable {
    private var hash = SHA256()
    public private(set) var counts = ExportCounts()

    public init() {}

    /// The first line.
    public mutating func header(_ header: ExportHeader) -> [UInt8] {
        var writer = JSONWriter()
        header.write(to: &writer)
        return line(writer)
    }

    /// The lines of records, in their order.
    public mutating func records(_ records: [SnapshotRecord]) -> [UInt8] {
        counts.records += records.count
        return records.reduce(into: []) { $0 += line(RecordLine.json($1)) }
    }

    /// The line of a session.
    public mutating func session(_ session: WorkingMemory) -> [UInt8] {
        counts.sessions += 1
        return line(SessionLine.json(session))
    }

    /// The last line.
    ///
    /// - Parameter isConsistent: whether the records were those of one moment.
    public mutating func end(isConsistent: Bool) -> [UInt8] {
        counts.isConsistent = isConsistent
        let checksum = hash.finalize().hex
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("end") { writer in
                writer.object { writer in
                    writer.member("records", counts.records)
                    writer.member("sessions", counts.sessions)
                    writer.member("consistent", isConsistent)
                    writer.member("sha256", checksum)
                }
            }
        }
        return writer.bytes + [ExportReader.newline]
    }

    private mutating func line(_ writer: JSONWriter) -> [UInt8] {
        let bytes = writer.bytes + [ExportReader.newline]
        hash.update(data: bytes)
        return bytes
    }
}

extension Sequence<UInt8> {
    /// In lower case.
    var hex: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
