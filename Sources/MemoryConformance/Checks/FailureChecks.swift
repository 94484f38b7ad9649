import AgentMemory

extension ConformanceCheck {
    /// Rules E1 and E2 without killing the store; the durability chapter has the checks that do.
    enum FailureChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "failure/E1-health", hint: "health reports a reason although the database answers", run: health),
            ConformanceCheck(
                "failure/E1-embedding-service-down", needs: [.steeredEmbeddings],
                hint:
                    "a search that could not be embedded answers an empty page, or what needs no embedding fails with it",
                run: embeddingServiceDown),
            ConformanceCheck(
                "failure/E2-vector-of-another-length", needs: [.steeredEmbeddings],
                hint:
                    "a vector of the wrong length is stored or searched with, or the error does not say which lengths met",
                run: vectorOfAnotherLength),
            ConformanceCheck(
                "failure/E2-model-of-another-length", needs: [.steeredEmbeddings, .secondProcess],
                hint: "a server whose model has another length than the index starts, and fails or mixes vectors later",
                run: modelOfAnotherLength),
        ]

        @Sendable static func health(_ scope: CheckScope) async throws {
            let components = await scope.database.health()
            try scope.expect("there is a store", components.contains { $0.component == "store" })
            for component in components { try scope.expect("\(component.component)", component.reason, nil) }
        }

        @Sendable static func embeddingServiceDown(_ scope: CheckScope) async throws {
            _ = try await scope.database.add(
                try ["a", "b"].map { try MemoryRecord(id: $0, text: "[1] \($0)", userID: $0) })
            scope.embedder.fail(.down)
            for ranking in scope.rankings {
                if case .keyword = ranking { continue }
                try await scope.expectError("\(ranking)", .embeddingFailed) {
                    _ = try await scope.search("a query", ranking)
                }
            }
            try scope.expect("listed", try await scope.listed().sorted(), ["a", "b"])
            try scope.expect("counted", try await scope.database.count(try tag(.userID, eq: "a")), 1)
            let pin = RecordUpdate(id: "a", changes: try RecordChanges(pinned: true))
            try scope.expect("updated", try await scope.database.update([pin]), 1)
            try scope.expect("deleted", try await scope.database.delete(["b"]), 1)
        }

        @Sendable static func vectorOfAnotherLength(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([try MemoryRecord(id: "kept", text: "[1] kept")])
            scope.embedder.fail(.wrongLength)
            let lengths = [scope.embedder.dimensions, scope.embedder.dimensions + 1]
            let add = try await scope.expectError("add", .embeddingFailed, .misconfigured) {
                _ = try await scope.database.add([try MemoryRecord(id: "other", text: "[1] other")])
            }
            try expectNamed(lengths, in: add)
            let search = try await scope.expectError("search", .embeddingFailed, .misconfigured) {
                _ = try await scope.search("a query")
            }
            try expectNamed(lengths, in: search)
            scope.embedder.fail(nil)
            try scope.expect("ids", try await scope.search("a query").items.map(\.record.id), ["kept"])
        }

        @Sendable static func modelOfAnotherLength(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([try MemoryRecord(id: "kept", text: "[1] kept")])
            let other = SteeredEmbedder(dimensions: scope.embedder.dimensions + 8)
            let error = try await scope.expectError("opening with another model", .misconfigured) {
                let opened = try await scope.reopened(embedder: other)
                await opened.close()
            }
            try expectNamed([scope.embedder.dimensions, other.dimensions], in: error)
            // The attempt has not changed existing records.
            _ = try await scope.database.add([try MemoryRecord(id: "more", text: "[0, 1] more")])
            try scope.expect("ids", try await scope.search("[1] q").items.map(\.record.id), ["kept", "more"])
        }
    }

    private static func expectNamed(_ lengths: [Int], in error: MemoryError) throws(Mismatch) {
        for length in lengths where !error.message.contains("\(length)") {
            throw Mismatch(
                "the lengths in the message", expected: lengths.map(String.init).joined(separator: " and "),
                got: error.message)
        }
    }
}
