extension ConformanceReport {
    /// The report as Markdown, suitable for a README: the settings and versions, one row per check
    /// and one column per backend, then the measurements, then the evidence of every failure. It
    /// has no durations and no dates, so that it changes only with the results.
    public var markdown: String {
        var lines = ["Contract version \(Self.contractVersion), kit \(Self.kitVersion).", ""]
        lines += Self.table(
            header: [
                "backend", "version", "passed", "failed", "short of a SHOULD", "expected failures", "not applicable",
            ],
            rows: backends.map { backend in
                [
                    backend.name, backend.failure ?? backend.versions.joined(separator: "; "),
                    "\(backend.count(.passed))", "\(backend.count(.failed))", "\(backend.count(.shortfall))",
                    "\(backend.count(.expectedFailure))", "\(backend.count(.notApplicable))",
                ]
            })
        lines.append("")
        lines += Self.table(
            header: ["check", "level", ""] + backends.map(\.name),
            rows: checks.map { check in
                ["`\(check.id)`", check.level.rawValue, check.requirement.rawValue]
                    + backends.map { $0.report(of: check)?.verdict.mark ?? "" }
            })
        if !figureRows.isEmpty {
            lines += ["", "Measured:", ""]
            lines += Self.table(header: ["figure"] + backends.map(\.name), rows: figureRows)
        }
        for backend in backends { lines += backend.notes.flatMap { ["", "Note on \(backend.name): \($0)"] } }
        let reasons = notApplicableReasons
        if !reasons.isEmpty { lines += ["", "Not applicable:", ""] + reasons.map { "- \($0)" } }
        for entry in staleExpectations {
            lines += ["", "Expected to fail but does not: `\(entry.check)` on \(entry.backend) (\(entry.reason))"]
        }
        let failures = backends.flatMap(\.checks).filter(\.result.failed)
        if !failures.isEmpty {
            lines += ["", "Evidence:"]
            for failure in failures { lines += ["", "```", failure.result.evidence, "```"] }
        }
        if interrupted { lines += ["", "The run was interrupted."] }
        return lines.joined(separator: "\n") + "\n"
    }

    /// One row per measurement, one column per backend.
    var figureRows: [[String]] {
        checks.flatMap { check in
            let names = Set(backends.flatMap { $0.report(of: check)?.result.figures.keys.map(\.self) ?? [] }).sorted()
            return names.map { name in
                ["\(check.chapter): \(name)"]
                    + backends.map { backend in
                        backend.report(of: check)?.result.figures[name].map(Self.rounded) ?? ""
                    }
            }
        }
    }

    private var notApplicableReasons: [String] {
        var checksByReason: [String: [String]] = [:]
        for backend in backends {
            for report in backend.checks {
                guard case .notApplicable(let reason) = report.result.outcome else { continue }
                checksByReason["\(backend.name), \(reason)", default: []].append("`\(report.result.check.id)`")
            }
        }
        return checksByReason.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.joined(separator: ", "))" }
    }

    /// Three decimals, without trailing zeros.
    private static func rounded(_ value: Double) -> String {
        let rounded = (value * 1000).rounded() / 1000
        return rounded == rounded.rounded() && abs(rounded) < 1e15 ? String(Int(rounded)) : String(rounded)
    }

    private static func table(header: [String], rows: [[String]]) -> [String] {
        func line(_ cells: [String]) -> String {
            "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |"
        }
        return [line(header), "|" + String(repeating: "---|", count: header.count)] + rows.map(line)
    }
}
