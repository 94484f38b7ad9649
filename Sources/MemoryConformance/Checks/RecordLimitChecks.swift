import AgentMemory

extension ConformanceCheck {
    /// The limits of the rules R1 and R5, and the values that rule R8 computes.
    enum RecordLimitChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "record/R1-longest-ids", hint: "ids of 512 bytes are cut or refused, so that two of them become one",
                run: longestIds),
            ConformanceCheck(
                "record/R1-refused-records",
                hint: "records are made past the domain's checks: use its throwing initializer", run: refusedRecords),
            ConformanceCheck(
                "record/R5-trimmed-and-absent",
                hint: "white space around values is kept, or an empty value is stored as a value", run: trimmedAndAbsent
            ),
            ConformanceCheck(
                "record/R5-longest-values", hint: "values of 512 bytes are cut or refused, or longer ones are let in",
                run: longestValues),
            ConformanceCheck(
                "record/R8-filled-in",
                hint: "an absent date or hash is not filled in, or is not the time of the call", run: filledIn),
        ]

        @Sendable static func longestIds(_ scope: CheckScope) async throws {
            let bytes = String(repeating: "i", count: 511)
            let ids = [
                bytes, bytes + "a", bytes + "b", String(repeating: "é", count: 256),
                String(repeating: "🙂", count: 128),
                // Equally long, but composed differently: canonically equivalent to the é's, and
                // another id.
                String(repeating: "e\u{301}", count: 170),
            ]
            _ = try await scope.database.add(try ids.map { try MemoryRecord(id: $0, text: "[1] x") })
            try scope.expect("count", try await scope.database.count(.everything), ids.count)
            for id in ids { try scope.expect("id", exactly: try await scope.record(id).id, id) }
            let pin = RecordUpdate(id: ids[1], changes: try RecordChanges(pinned: true))
            try scope.expect("updated", try await scope.database.update([pin]), 1)
            try scope.expect("pinned", try await scope.record(ids[2]).pinned, false)
            try scope.expect("deleted", try await scope.database.delete([ids[1], ids[3]]), 2)
            let left = [ids[0], ids[2], ids[4], ids[5]].map(ExactString.init).sorted()
            try scope.expect("left", try await scope.listed().map(ExactString.init).sorted(), left)
        }

        @Sendable static func refusedRecords(_ scope: CheckScope) async throws {
            let long = String(repeating: "i", count: 513)
            for id in ["", " ", "\u{3000}", long, String(repeating: "é", count: 257), "a\nb", "a\u{0}", "\u{85}x"] {
                try await scope.expectError("the id \(id.prefix(20).debugDescription)", .invalidInput) {
                    _ = try await scope.database.add([try MemoryRecord(id: id, text: "[1] x")])
                }
            }
            for text in ["", "  \n\t", "\u{A0}\u{2003}", "nul \u{0} inside"] {
                try await scope.expectError("the text \(text.debugDescription)", .invalidInput) {
                    _ = try await scope.database.add([try MemoryRecord(id: "a", text: text)])
                }
            }
            try scope.expect("count", try await scope.database.count(.everything), 0)
        }

        @Sendable static func trimmedAndAbsent(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([
                try MemoryRecord(
                    id: "padded", text: "[1] x", sessionID: "\u{2003}s ", userID: " ada\u{A0}", namespace: " n",
                    topics: [" t ", "", "  "], entities: ["e "]),
                try MemoryRecord(id: "empty", text: "[1] x", sessionID: "", userID: " ", namespace: "\u{3000}"),
            ])
            let padded = try await scope.record("padded")
            try scope.expect("user_id", padded.userID, "ada")
            try scope.expect("session_id", padded.sessionID, "s")
            try scope.expect("topics", padded.topics, ["t"])
            let empty = try await scope.record("empty")
            try scope.expect("an empty user_id", empty.userID, nil)
            try scope.expect("an empty namespace", empty.namespace, nil)
            // Filter values are trimmed alike, so that they match stored values.
            for (field, value) in [
                (TagField.userID, "ada"), (.sessionID, "s"), (.namespace, "n"), (.topics, "t"), (.entities, "e"),
            ] {
                try await scope.expectMatches("\(field.rawValue) eq", try tag(field, eq: " \(value) "), ["padded"])
                try await scope.expectMatches("\(field.rawValue) ne", try tag(field, ne: value), ["empty"])
            }
        }

        @Sendable static func longestValues(_ scope: CheckScope) async throws {
            let bytes = String(repeating: "v", count: 511)
            for (id, value) in [("a", bytes + "a"), ("b", bytes + "b")] {
                _ = try await scope.database.add([
                    try MemoryRecord(
                        id: id, text: "[1] x", sessionID: value, userID: value, namespace: value, topics: [value],
                        entities: [value])
                ])
            }
            for field in [TagField.userID, .sessionID, .namespace, .topics, .entities] {
                try await scope.expectMatches("\(field.rawValue) eq", try tag(field, eq: bytes + "a"), ["a"])
                try await scope.expectMatches(
                    "\(field.rawValue) startswith", try tag(field, startsWith: bytes + "b"), ["b"])
            }
            let refused: [(String, () throws -> MemoryRecord)] = [
                ("513 bytes", { try MemoryRecord(id: "c", text: "[1] x", userID: bytes + "ab") }),
                ("a control character", { try MemoryRecord(id: "c", text: "[1] x", namespace: "a\u{7}b") }),
                ("a line break at the end", { try MemoryRecord(id: "c", text: "[1] x", sessionID: "s\n") }),
                ("a comma in a topic", { try MemoryRecord(id: "c", text: "[1] x", topics: ["a,b"]) }),
                ("a comma in an entity", { try MemoryRecord(id: "c", text: "[1] x", entities: ["a,b"]) }),
                ("a comma in a source", { try MemoryRecord(id: "c", text: "[1] x", extractedFrom: ["a,b"]) }),
            ]
            for (what, record) in refused {
                try await scope.expectError(what, .invalidInput) { _ = try await scope.database.add([try record()]) }
            }
            try scope.expect("count", try await scope.database.count(.everything), 2)
        }

        @Sendable static func filledIn(_ scope: CheckScope) async throws {
            // The clocks of two machines may differ.
            let before = Timestamp.now().advanced(bySeconds: -300)
            _ = try await scope.database.add([
                try MemoryRecord(id: "bare", text: "[1] Grüße 🙂", userID: "ada"),
                try MemoryRecord(id: "old", text: "[1] old", createdAt: at(1)),
            ])
            let after = Timestamp.now().advanced(bySeconds: 300)
            let bare = try await scope.record("bare")
            for (what, date) in [
                ("created_at", bare.createdAt), ("last_accessed", bare.lastAccessed), ("updated_at", bare.updatedAt),
            ] {
                try scope.expect("\(what) is the time of the call", date >= before && date <= after)
            }
            // Of {"memory_type": "semantic", "namespace": null, "session_id": null, "text": …,
            // "user_id": "ada"}, by Python.
            try scope.expect(
                "memory_hash", bare.memoryHash, "3ecdcef7724b9e7d3baa3fb6bc726a9267fedf1cbd2add35517eb527c4aa2870")
            let hash = try tag(.memoryHash, eq: bare.memoryHash)
            try await scope.expectMatches("by its hash", hash, ["bare"])
            let dates = try date(.createdAt, .init(.gte, before), .init(.lte, after))
            try await scope.expectMatches("by its date", dates, ["bare"])
        }
    }
}
