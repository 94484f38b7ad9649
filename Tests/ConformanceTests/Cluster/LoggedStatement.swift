/// One message of a client, as a server with `log_statement = 'all'` has logged it.
struct LoggedStatement {
    /// What each line of the log begins with.
    static let mark = "@@"

    let session: String
    /// The statements of one pipeline without `BEGIN` are of one transaction too.
    let transaction: String
    let sql: String

    /// All statements of a log with ``mark``, the session, and the transaction before each line.
    static func all(in log: String) -> [LoggedStatement] {
        var found: [LoggedStatement] = []
        var isOpen = false
        for line in log.split(separator: "\n") {
            guard line.hasPrefix(mark) else {
                // The rest of a statement of several lines.
                if isOpen, let last = found.popLast() {
                    found.append(
                        LoggedStatement(
                            session: last.session, transaction: last.transaction, sql: last.sql + "\n" + line))
                }
                continue
            }
            let parts = line.dropFirst(mark.count).split(separator: "|", maxSplits: 2)
            isOpen = false
            guard parts.count == 3, let range = parts[2].firstRange(of: ":  "), parts[2].hasPrefix("LOG:") else {
                continue
            }
            let text = parts[2][range.upperBound...]
            guard let start = text.firstRange(of: ": "), text.hasPrefix("statement") || text.hasPrefix("execute") else {
                continue
            }
            isOpen = true
            found.append(
                LoggedStatement(
                    session: String(parts[0]), transaction: String(parts[1]), sql: String(text[start.upperBound...])))
        }
        return found
    }
}
