import AgentMemory

/// Messages as a model reads them: each begins with its date and role, so that relative dates can
/// be resolved; later lines of a message are indented, so that none can be taken for another
/// message or for the end of the data.
enum MessageLines {
    /// The messages, numbered from 1.
    static func numbered(_ messages: [SessionMessage], longest: Int? = nil) -> String {
        messages.enumerated().map { line($1, number: $0 + 1, longest: longest) }.joined(separator: "\n")
    }

    /// The messages without numbers; `(none)` if there are none.
    static func plain(_ messages: some Collection<SessionMessage>, longest: Int? = nil) -> String {
        messages.isEmpty ? "(none)" : messages.map { line($0, number: nil, longest: longest) }.joined(separator: "\n")
    }

    /// - Parameter longest: characters of the content; the rest is cut off.
    private static func line(_ message: SessionMessage, number: Int?, longest: Int?) -> String {
        var content = message.content
        if let longest, content.count > longest { content = "\(content.prefix(longest)) […]" }
        let head = "\(number.map { "[\($0)] " } ?? "")\(message.createdAt.weekday) \(message.createdAt.iso8601)"
        // A role may hold separators of lines too.
        let lines = "\(head) \(message.role): \(content)"
            .split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        return lines.joined(separator: "\n    ")
    }
}

extension Timestamp {
    /// The English name of the day in UTC.
    var weekday: String {
        let microsecondsPerDay: Int64 = 86_400_000_000
        let day =
            (microseconds - (microseconds % microsecondsPerDay + microsecondsPerDay) % microsecondsPerDay)
            / microsecondsPerDay
        // 1970-01-01 was a Thursday.
        let names = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"]
        return names[Int((day % 7 + 7) % 7)]
    }
}
