extension ConformanceReport {
    /// The report for a terminal: one row per chapter for one backend; one row per check and one
    /// column per backend for several; then the measurements and the evidence of every failure.
    public var table: String {
        var lines: [String] = []
        for backend in backends {
            let versions = backend.versions.isEmpty ? "" : " (\(backend.versions.joined(separator: "; ")))"
            lines.append("\(backend.name)\(versions)\(backend.failure.map { ": \($0)" } ?? "")")
            lines += backend.notes.map { "note: \($0)" }
        }
        if !checks.isEmpty {
            lines += [""] + Self.aligned(backends.count == 1 ? chapterRows(of: backends[0]) : checkRows)
        }
        if !figureRows.isEmpty { lines += [""] + Self.aligned([["measured"] + backends.map(\.name)] + figureRows) }
        for failure in backends.flatMap(\.checks) where failure.result.failed {
            lines += ["", failure.verdict == .failed ? failure.result.evidence : Self.brief(failure)]
        }
        for entry in staleExpectations {
            lines += ["", "expected to fail but does not: \(entry.check) on \(entry.backend) (\(entry.reason))"]
        }
        lines += ["", summary]
        return lines.joined(separator: "\n") + "\n"
    }

    private var summary: String {
        let counts = backends.map { backend in
            if backend.failure != nil { return "\(backend.name): no check was run" }
            let parts = Verdict.allCases.compactMap { verdict in
                let count = backend.count(verdict)
                return count == 0 && verdict != .failed ? nil : "\(count) \(verdict.rawValue)"
            }
            return "\(backend.name): \(parts.joined(separator: ", "))"
        }
        let end = interrupted ? "interrupted" : succeeded ? "the contract holds" : "the contract does not hold"
        return counts.joined(separator: "\n") + "\n\(end), \(duration.inSeconds) s"
    }

    private var checkRows: [[String]] {
        [["check", ""] + backends.map(\.name)]
            + checks.map { check in
                [check.id, check.requirement.rawValue] + backends.map { $0.report(of: check)?.verdict.mark ?? "" }
            }
    }

    private func chapterRows(of backend: BackendReport) -> [[String]] {
        var chapters: [String] = []
        for check in checks where !chapters.contains(check.chapter) { chapters.append(check.chapter) }
        return [["chapter", "checks", "passed", "failed", "short", "expected", "n/a", "seconds"]]
            + chapters.map { chapter in
                let reports = backend.checks.filter { $0.result.check.chapter == chapter }
                func count(_ verdict: Verdict) -> String { "\(reports.count { $0.verdict == verdict })" }
                let seconds = reports.reduce(0) { $0 + $1.result.duration.inSeconds }
                return [
                    chapter, "\(reports.count)", count(.passed), count(.failed), count(.shortfall),
                    count(.expectedFailure), count(.notApplicable), "\((seconds * 10).rounded() / 10)",
                ]
            }
    }

    private static func brief(_ report: CheckReport) -> String {
        guard case .failed(let evidence) = report.result.outcome else { return "" }
        return
            "\(report.verdict.rawValue): \(report.result.check.id) on \(report.result.backend): \(evidence.reason)"
    }

    /// Columns as wide as their widest cell.
    private static func aligned(_ rows: [[String]]) -> [String] {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in
            rows.map { $0.indices.contains(column) ? $0[column].count : 0 }.max() ?? 0
        }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                cell + String(repeating: " ", count: widths[column] - cell.count)
            }
            let line = cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }
}
