extension ConformanceReport {
    /// The report as JUnit XML: one test suite per backend, one test case per check. A shortfall,
    /// an expected failure and a check that does not apply are shown as skipped, with their reason:
    /// none of them fails the run.
    public var junit: String {
        var lines = ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>"]
        let failures = backends.reduce(0) { $0 + $1.count(.failed) }
        let errors = backends.count { $0.failure != nil } + staleExpectations.count + (interrupted ? 1 : 0)
        lines.append(
            "<testsuites name=\"agent-memory conformance\" tests=\"\(backends.reduce(0) { $0 + $1.checks.count })\" failures=\"\(failures)\" errors=\"\(errors)\" time=\"\(duration.inSeconds)\">"
        )
        for backend in backends { lines += backend.junit }
        if interrupted || !staleExpectations.isEmpty {
            lines.append("  <testsuite name=\"run\" errors=\"\(staleExpectations.count + (interrupted ? 1 : 0))\">")
            if interrupted { lines.append(Self.error("end of the run", "the run was interrupted")) }
            for entry in staleExpectations {
                lines.append(
                    Self.error(
                        "\(entry.backend) \(entry.check)", "expected to fail (\(entry.reason)), but it does not"))
            }
            lines.append("  </testsuite>")
        }
        lines.append("</testsuites>")
        return lines.joined(separator: "\n") + "\n"
    }

    fileprivate static func error(_ name: String, _ message: String) -> String {
        "    <testcase name=\"\(escaped(name))\"><error message=\"\(escaped(message))\"/></testcase>"
    }

    /// Text as valid XML: control characters, which XML does not permit, become U+FFFD.
    fileprivate static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "\n": result += "&#10;"
            case "\t": result += "&#9;"
            case _ where scalar.value < 0x20 || scalar.value == 0xFFFE || scalar.value == 0xFFFF: result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

extension BackendReport {
    fileprivate var junit: [String] {
        let errors = failure == nil ? 0 : 1
        let skipped = count(.notApplicable) + count(.shortfall) + count(.expectedFailure)
        let time = checks.reduce(0) { $0 + $1.result.duration.inSeconds }
        var lines = [
            "  <testsuite name=\"\(ConformanceReport.escaped(name))\" tests=\"\(checks.count)\" failures=\"\(count(.failed))\" errors=\"\(errors)\" skipped=\"\(skipped)\" time=\"\(time)\">"
        ]
        if !versions.isEmpty {
            lines.append("    <properties>")
            for version in versions {
                lines.append(
                    "      <property name=\"version\" value=\"\(ConformanceReport.escaped(version))\"/>")
            }
            lines.append("    </properties>")
        }
        if let failure { lines.append(ConformanceReport.error("start", failure)) }
        for report in checks { lines.append(report.junit) }
        lines.append("  </testsuite>")
        return lines
    }
}

extension CheckReport {
    fileprivate var junit: String {
        let check = result.check
        let head =
            "    <testcase classname=\"\(check.chapter)\" name=\"\(check.id)\" time=\"\(result.duration.inSeconds)\""
        let evidence = ConformanceReport.escaped(result.evidence)
        switch result.outcome {
        case .passed: return head + "/>"
        case .notApplicable(let reason):
            return head + "><skipped message=\"\(ConformanceReport.escaped(reason))\"/></testcase>"
        case .failed(let failure):
            let reason = ConformanceReport.escaped(failure.reason)
            guard verdict == .failed else {
                return head + "><skipped message=\"\(verdict.rawValue): \(reason)\"/></testcase>"
            }
            return head + "><failure message=\"\(reason)\">\(evidence)</failure></testcase>"
        }
    }
}
