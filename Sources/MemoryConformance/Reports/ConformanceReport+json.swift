public import AgentMemory

extension ConformanceReport {
    /// The report as JSON; its members are described in the module's README.
    public var json: JSONValue {
        .object([
            "schema": "agent-memory/conformance-report",
            "schema_version": .number(JSONNumber(Self.schemaVersion)),
            "kit_version": .string(Self.kitVersion),
            "contract_version": .number(JSONNumber(Self.contractVersion)),
            "started_at": .string(startedAt.description),
            "duration_seconds": .number(JSONNumber(duration.inSeconds)),
            "seed": .string(String(settings.seed)),
            "histories": .number(JSONNumber(settings.histories)),
            "succeeded": .bool(succeeded),
            "interrupted": .bool(interrupted),
            "stale_expectations": .array(
                staleExpectations.map { entry in
                    .object([
                        "backend": .string(entry.backend), "check": .string(entry.check),
                        "reason": .string(entry.reason),
                    ])
                }),
            "backends": .array(backends.map(\.json)),
        ])
    }
}

extension BackendReport {
    fileprivate var json: JSONValue {
        var summary = JSONObject()
        for verdict in Verdict.allCases { summary[verdict.rawValue] = .number(JSONNumber(count(verdict))) }
        return .object([
            "name": .string(name),
            "versions": .array(versions.map { .string($0) }),
            "capabilities": capabilities?.json ?? .null,
            "failure": failure.map { .string($0) } ?? .null,
            "notes": .array(notes.map { .string($0) }),
            "summary": .object(summary),
            "checks": .array(checks.map(\.json)),
        ])
    }
}

extension BackendCapabilities {
    fileprivate var json: JSONValue {
        .object([
            "keyword_search": .bool(keywordSearch), "hybrid_search": .bool(hybridSearch),
            "server_side_recency": .bool(serverSideRecency), "distance_threshold": .bool(distanceThreshold),
            "text_scorers": .array(textScorers.map(\.rawValue).sorted().map { .string($0) }),
        ])
    }
}

extension CheckReport {
    fileprivate var json: JSONValue {
        let check = result.check
        var object: JSONObject = [
            "id": .string(check.id), "chapter": .string(check.chapter), "rule": .string(check.rule),
            "requirement": .string(check.requirement.rawValue), "level": .string(check.level.rawValue),
            "result": .string(verdict.rawValue),
            "duration_seconds": .number(JSONNumber(result.duration.inSeconds)),
        ]
        if !result.figures.isEmpty {
            var figures = JSONObject()
            for (name, value) in result.figures.sorted(by: { $0.key < $1.key }) {
                figures[name] = .number(JSONNumber(value))
            }
            object["figures"] = .object(figures)
        }
        switch result.outcome {
        case .passed: break
        case .notApplicable(let reason): object["reason"] = .string(reason)
        case .failed(let evidence):
            object["reason"] = .string(evidence.reason)
            object["hint"] = .string(check.hint)
            var members: JSONObject = [
                "expected": evidence.expected.map { .string($0) } ?? .null,
                "got": evidence.got.map { .string($0) } ?? .null,
                "calls": .array(evidence.calls.map { .string($0) }),
            ]
            members["script"] = evidence.script.map { .string($0) }
            object["evidence"] = .object(members)
        }
        return .object(object)
    }
}

extension Duration {
    /// Seconds, to the millisecond.
    var inSeconds: Double {
        let milliseconds = (components.attoseconds / 1_000_000_000_000_000) + components.seconds * 1000
        return Double(milliseconds) / 1000
    }
}
