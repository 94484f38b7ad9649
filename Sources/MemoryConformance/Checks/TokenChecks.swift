import AgentMemory

/// Rules T1 to T4: a store of access tokens.
extension ConformanceCheck {
    enum TokenChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "tokens/T1-kept", hint: "a member of a token is lost or changed, or two tokens share a hash", run: kept),
            ConformanceCheck(
                "tokens/T2-lists", hint: "the order, a prefix of the hash or the total is wrong", run: lists),
            ConformanceCheck(
                "tokens/T3-replaced",
                hint: "the old token does not end, ends later than before, or a step is done alone",
                run: replaced),
            ConformanceCheck(
                "tokens/T4-revision", hint: "a change does not change the revision: servers accept what was removed",
                run: revision),
        ]

        private static let created = Timestamp(microseconds: 1_767_323_045_000_006) ?? .earliest

        private static func token(
            _ secret: String, second: Int64 = 0, expires: Timestamp? = nil, scope: AccessScope = .everything
        ) -> AccessToken {
            AccessToken(
                hash: AccessToken.hash(ofSecret: secret), description: "token \(secret) \u{E9}\u{1F600}",
                rights: [.read, .administer], scope: scope, createdAt: created.advanced(bySeconds: second),
                expiresAt: expires)
        }

        @Sendable static func kept(_ scope: CheckScope) async throws {
            let (store, other) = try (scope.tokens.first, scope.tokens.second)
            let limited = token(
                "a", expires: .latest,
                scope: AccessScope(
                    namespaces: try PermittedValues(patterns: ["team-*", "x", "it's,\"\u{E9}\""], field: "namespaces"),
                    users: PermittedValues(exactly: [])))
            try await store.add(limited)
            try await store.add(token("b"))
            try scope.expect("with limits", try await other.token(hash: limited.hash), limited)
            try scope.expect("without limits", try await other.token(hash: token("b").hash), token("b"))
            try scope.expect("unknown", try await other.token(hash: token("c").hash) == nil)
            try await scope.expectError("the same hash again", .conflict) { try await other.add(limited) }
            let noted = created.advanced(bySeconds: 100)
            try await store.noteUse([limited.hash: noted, token("c").hash: noted])
            try await other.noteUse([limited.hash: created])
            try scope.expect("last use", try await other.token(hash: limited.hash)?.lastUsedAt, noted)
            try scope.expect("not made by its use", try await other.token(hash: token("c").hash) == nil)
            try scope.expect("removed", try await other.remove(hash: limited.hash))
            try scope.expect("removed again", try await store.remove(hash: limited.hash), false)
            try scope.expect("gone", try await store.token(hash: limited.hash) == nil)
        }

        @Sendable static func lists(_ scope: CheckScope) async throws {
            let (store, other) = try (scope.tokens.first, scope.tokens.second)
            let tokens = (0..<12).map { token("\($0)", second: Int64($0 / 2)) }
            for token in tokens.shuffled() { try await store.add(token) }
            let ordered = tokens.sorted { ($0.createdAt, $0.hash) < ($1.createdAt, $1.hash) }
            let all = try await other.tokens(hashPrefix: "", page: PageRequest(limit: 100))
            try scope.expect("all", all.items, ordered)
            let page = try await other.tokens(hashPrefix: "", page: PageRequest(limit: 5, offset: 4))
            try scope.expect("a page", page.items, Array(ordered[4..<9]))
            try scope.expect("its total", page.total, 12)
            let one = try await other.tokens(hashPrefix: String(tokens[3].hash.prefix(12)), page: PageRequest())
            try scope.expect("by the beginning of the hash", one.items, [tokens[3]])
            for wrong in ["%", "_", "\\", "g", "'"] {
                try scope.expect(
                    "no pattern", try await other.tokens(hashPrefix: wrong, page: PageRequest()).total, 0)
            }
        }

        @Sendable static func replaced(_ scope: CheckScope) async throws {
            let (store, other) = try (scope.tokens.first, scope.tokens.second)
            let end = created.advanced(bySeconds: 60)
            for (secret, expiry, left) in [
                ("never", nil, end), ("later", Timestamp.latest, end),
                ("earlier", created.advanced(bySeconds: 1), created.advanced(bySeconds: 1)),
            ] {
                let old = token(secret, expires: expiry)
                let new = token(secret + " new")
                try await store.add(old)
                try scope.expect(
                    "replaced", try await other.replace(hash: old.hash, expiringAt: end, with: new))
                try scope.expect("the end of the old one", try await store.token(hash: old.hash)?.expiresAt, left)
                try scope.expect("the new one", try await store.token(hash: new.hash), new)
            }
            let missing = try await store.replace(hash: token("no").hash, expiringAt: end, with: token("no new"))
            try scope.expect("of none", missing, false)
            try scope.expect("nothing was stored", try await store.token(hash: token("no new").hash) == nil)
            try await store.add(token("kept"))
            try await scope.expectError("by one that exists", .conflict) {
                _ = try await store.replace(hash: token("kept").hash, expiringAt: end, with: token("never"))
            }
            try scope.expect("does not end", try await store.token(hash: token("kept").hash)?.expiresAt == nil)
        }

        @Sendable static func revision(_ scope: CheckScope) async throws {
            let (store, other) = try (scope.tokens.first, scope.tokens.second)
            var last = try await other.revision()
            func changes(_ what: String, _ change: () async throws -> Void) async throws {
                try await change()
                let next = try await other.revision()
                try scope.expect("\(what) is seen", next != last)
                last = next
            }
            try await changes("a new token") { try await store.add(token("a")) }
            try await changes("another one") { try await store.add(token("b")) }
            try await changes("a rotation") {
                _ = try await store.replace(hash: token("a").hash, expiringAt: created, with: token("c"))
            }
            try await changes("a removal") { _ = try await store.remove(hash: token("b").hash) }
            try await store.noteUse([token("c").hash: created])
            try scope.expect("a use is no change", try await other.revision(), last)
        }
    }
}
