public import AgentMemory
public import MemoryService

/// What the routes of exports and imports take in their query.
public enum TransferRequest {
    /// The parameters of GET /v1/export.
    public static let parametersOfExport = ParameterNames(taken: ScopeParameters.names + ["vectors"])
    /// The parameters of POST /v1/import.
    public static let parametersOfImport = ParameterNames(taken: ["existing", "keep_vectors", "new_ids", "dry_run"])

    /// - Throws: ``ValidationFailure``.
    public static func selection(_ query: BodyReader, now: Timestamp) throws -> SnapshotSelection {
        let values = ScopeParameters.names.map { query.scope($0) }
        let hasVectors = query.bool("vectors") ?? false
        return try query.finish(
            with: try query.make { () throws(MemoryError) in
                try SnapshotSelection(
                    namespace: values[0], userID: values[1], sessionID: values[2], hasVectors: hasVectors, moment: now)
            })
    }

    /// - Throws: ``ValidationFailure``.
    public static func options(_ query: BodyReader) throws -> ImportOptions {
        var options = ImportOptions()
        options.existing = query.choice("existing", ImportOptions.Existing.self) ?? options.existing
        options.keepsVectors = query.bool("keep_vectors") ?? options.keepsVectors
        options.makesNewIDs = query.bool("new_ids") ?? options.makesNewIDs
        options.isDryRun = query.bool("dry_run") ?? options.isDryRun
        return try query.finish(with: options)
    }
}
