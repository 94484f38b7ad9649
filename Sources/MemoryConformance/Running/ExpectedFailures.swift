public import AgentMemory

/// The failures that a backend's author knows of, each with its reason.
///
/// One per line: `backend check-id reason`; the backend `*` stands for all; empty lines and lines
/// that start with `#` are ignored. An entry whose failure did not occur is stale, and a stale
/// entry fails the run: the file must shrink as the backend improves.
public struct ExpectedFailures: Sendable {
    public struct Entry: Sendable, Equatable {
        /// `*` for all.
        public let backend: String
        public let check: String
        public let reason: String
    }

    public let entries: [Entry]

    public init() {
        entries = []
    }

    /// - Throws: `MemoryError` with code `invalidInput` that names the line: a part is missing, or
    ///   no check has that id.
    public init(parsing text: String) throws(MemoryError) {
        var entries: [Entry] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.split(maxSplits: 2, whereSeparator: \.isWhitespace)
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            func refuse(_ why: String) -> MemoryError {
                .invalid("expected-failures", "line \(index + 1) of the expected failures: \(why)")
            }
            guard words.count == 3 else { throw refuse("needs a backend, a check id and a reason") }
            let check = String(words[1])
            guard ConformanceCheck.all.contains(where: { $0.id == check }) else {
                throw refuse("there is no check \(check.debugDescription)")
            }
            entries.append(Entry(backend: String(first), check: check, reason: String(words[2])))
        }
        self.entries = entries
    }

    /// The entry that expects this check to fail.
    func entry(for check: String, on backend: String) -> Entry? {
        entries.first { $0.check == check && ($0.backend == backend || $0.backend == "*") }
    }

    /// The entries whose failure did not occur, among the checks and backends that have run.
    func stale(in backends: [BackendReport]) -> [Entry] {
        entries.filter { entry in
            let reports = backends.filter { entry.backend == "*" || $0.name == entry.backend }.flatMap(\.checks)
                .filter { $0.result.check.id == entry.check }
            return !reports.isEmpty && !reports.contains { $0.result.failed }
        }
    }
}
