import AgentMemory

/// Rules J1 to J5: a queue loses no job and gives none to two workers.
extension ConformanceCheck {
    enum JobChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "jobs/J1-enqueue", hint: "a payload is changed, a kind is ignored, or the order is lost", run: enqueue),
            ConformanceCheck(
                "jobs/J2-one-worker-at-a-time", hint: "two workers lease the same job", run: oneWorkerAtATime),
            ConformanceCheck(
                "jobs/J3-lost-lease",
                hint: "a job whose worker died is never leased again, or its lease is not measured by its length",
                run: lostLease),
            ConformanceCheck(
                "jobs/J2-late-but-first",
                hint: "a lease that has ended counts as lost although no other worker took the job",
                run: lateButFirst),
            ConformanceCheck(
                "jobs/J4-delays", hint: "a delay is not kept, or a job is lost while it waits", run: delays),
            ConformanceCheck(
                "jobs/J4-dead-letters", hint: "a buried job is lost or comes back by itself", run: deadLetters),
            ConformanceCheck(
                "jobs/J5-lists", hint: "pages repeat or miss jobs, or a total is that of the page", run: lists),
        ]

        @Sendable static func enqueue(_ scope: CheckScope) async throws {
            let (queue, other) = try (scope.jobs.first, scope.jobs.second)
            try scope.expect("of nothing", try await queue.enqueue([]), [])
            let payload: JSONObject = [
                "texts": .array(HostileStrings.texts.map { .string($0) }),
                "numbers": [1.5, try JSONValue(parsing: "12345678901234567890123"), nil], "": [:],
            ]
            let a = try await queue.enqueue([NewJob(kind: "a", payload: payload), NewJob(kind: "a", payload: ["n": 2])])
            let b = try await queue.enqueue([NewJob(kind: "b.c-d_e", payload: [:])])
            try scope.expect("ids", Set(a + b).count, 3)
            try scope.expect("of another kind", try await other.lease(kinds: ["c"], limit: 9, for: .seconds(60)), [])
            let first = try await other.lease(kinds: ["a"], limit: 9, for: .seconds(60))
            try scope.expect("ids of a kind", first.map(\.id), a)
            try scope.expect("payload", first.first?.payload == payload)
            try scope.expect("attempts", first.map(\.attempt), [1, 1])
            try scope.expect("kinds", first.map(\.kind), ["a", "a"])
            let second = try await queue.lease(kinds: ["a", "b.c-d_e"], limit: 9, for: .seconds(60))
            try scope.expect("the rest", second.map(\.id), b)
            for job in first + second { try scope.expect("completed", try await queue.complete(job)) }
            try scope.expect("counts", try await other.counts(), JobCounts(waiting: 0, leased: 0, dead: 0))
        }

        @Sendable static func oneWorkerAtATime(_ scope: CheckScope) async throws {
            let queues = try [scope.jobs.first, scope.jobs.second]
            let ids = try await queues[0].enqueue(
                (0..<300).map { NewJob(kind: $0 % 3 == 0 ? "a" : "b", payload: ["n": .int($0)]) })
            let done = try await withThrowingTaskGroup(of: [String].self) { group in
                for worker in 0..<10 {
                    group.addTask {
                        let queue = queues[worker % 2]
                        var done: [String] = []
                        while try await queue.counts() != JobCounts(waiting: 0, leased: 0, dead: 0) {
                            for job in try await queue.lease(kinds: ["a", "b"], limit: 7, for: .seconds(300)) {
                                try scope.expect("attempt", job.attempt, 1)
                                done.append(job.id)
                                try scope.expect("completed", try await queue.complete(job))
                            }
                        }
                        return done
                    }
                }
                return try await group.reduce(into: [String]()) { $0 += $1 }
            }
            try scope.expect("jobs done, each once", done.sorted(), ids.sorted())
            try scope.expect("counts", try await queues[1].counts(), JobCounts(waiting: 0, leased: 0, dead: 0))
        }

        @Sendable static func lostLease(_ scope: CheckScope) async throws {
            let (queue, other) = try (scope.jobs.first, scope.jobs.second)
            let ids = try await queue.enqueue((0..<4).map { NewJob(kind: "a", payload: ["n": .int($0)]) })
            let long = try await queue.lease(kinds: ["a"], limit: 1, for: .seconds(600))
            let extended = try await queue.lease(kinds: ["a"], limit: 1, for: .seconds(600))
            try scope.expect("made shorter", try await other.extend(extended[0], for: .seconds(1)))
            try scope.expect("extended", try await other.extend(extended[0], for: .seconds(600)))
            let short = try await queue.lease(kinds: ["a"], limit: 2, for: .seconds(1))
            try scope.expect("leased", (long + extended + short).map(\.id), ids)
            var again: [LeasedJob] = []
            try await scope.eventually("the ended leases are leased again") {
                again += try await other.lease(kinds: ["a"], limit: 9, for: .seconds(600))
                return again.count >= 2
            }
            try scope.expect("the jobs", again.map(\.id), short.map(\.id))
            try scope.expect("the payloads", again.map(\.payload) == short.map(\.payload))
            try scope.expect("attempts", again.map(\.attempt), [2, 2])
            for job in short {
                try scope.expect("J3: completed by who lost it", try await !queue.complete(job))
                try scope.expect("J3: extended", try await !queue.extend(job, for: .seconds(600)))
                try scope.expect("J3: retried", try await !queue.retry(job, after: .zero, reason: "x"))
                try scope.expect("J3: buried", try await !queue.bury(job, reason: "x"))
            }
            try scope.expect("nothing else", try await queue.lease(kinds: ["a"], limit: 9, for: .seconds(60)), [])
            for job in again + long + extended { try scope.expect("completed", try await other.complete(job)) }
            for job in again { try scope.expect("J3: completed twice", try await !other.complete(job)) }
        }

        @Sendable static func lateButFirst(_ scope: CheckScope) async throws {
            let queue = try scope.jobs.first
            try await queue.enqueue([NewJob(kind: "a", payload: [:])])
            let jobs = try await queue.lease(kinds: ["a"], limit: 1, for: .seconds(1))
            try await Task.sleep(for: .milliseconds(1300))
            try scope.expect("completed", try await queue.complete(jobs[0]))
            try scope.expect("left", try await queue.lease(kinds: ["a"], limit: 1, for: .seconds(1)), [])
        }

        @Sendable static func delays(_ scope: CheckScope) async throws {
            let (queue, other) = try (scope.jobs.first, scope.jobs.second)
            let start = ContinuousClock.now
            let ids = try await queue.enqueue([
                NewJob(kind: "a", payload: ["n": 1]), NewJob(kind: "b", payload: ["n": 2], delay: .seconds(1)),
                NewJob(kind: "c", payload: ["n": 3], delay: .seconds(3600)),
            ])
            let first = try await other.lease(kinds: ["a", "c"], limit: 9, for: .seconds(60))
            try scope.expect("due at once", first.map(\.id), [ids[0]])
            let retried = ContinuousClock.now
            try scope.expect(
                "retried", try await other.retry(first[0], after: .seconds(1), reason: "the \"reason\" ü"))
            try scope.expect("counts", try await queue.counts(), JobCounts(waiting: 3, leased: 0, dead: 0))
            let waiting = try await queue.list(.waiting, page: PageRequest())
            try scope.expect("reasons", waiting.items.map(\.reason), ["the \"reason\" ü", nil, nil])
            try scope.expect("attempts", waiting.items.map(\.attempts), [1, 0, 0])
            var later: [LeasedJob] = []
            try await scope.eventually("the delayed jobs are leased") {
                for job in try await queue.lease(kinds: ["a", "b", "c"], limit: 9, for: .seconds(60)) {
                    // Clocks tick in milliseconds.
                    let since = job.id == ids[0] ? retried : start
                    try scope.expect("\(job.kind) waited", ContinuousClock.now - since > .milliseconds(950))
                    later.append(job)
                }
                return later.count >= 2
            }
            try scope.expect("the delayed", Set(later.map(\.id)), Set(ids[..<2]))
            try scope.expect("attempts", later.first { $0.id == ids[0] }?.attempt, 2)
            try scope.expect("retried at once", try await queue.retry(later[0], after: .zero, reason: "again"))
            let now = try await other.lease(kinds: ["a", "b", "c"], limit: 9, for: .seconds(60))
            try scope.expect("leased at once", now.map(\.id), [later[0].id])
            try scope.expect("J3: the lease before", try await !queue.complete(later[0]))
        }

        @Sendable static func deadLetters(_ scope: CheckScope) async throws {
            let (queue, other) = try (scope.jobs.first, scope.jobs.second)
            let ids = try await queue.enqueue((0..<4).map { NewJob(kind: "a", payload: ["n": .int($0)]) })
            for job in try await queue.lease(kinds: ["a"], limit: 9, for: .seconds(60)) where job.id != ids[3] {
                try scope.expect("buried", try await queue.bury(job, reason: "reason \(job.id)"))
                try scope.expect("J3: buried twice", try await !queue.bury(job, reason: "x"))
            }
            try scope.expect("counts", try await other.counts(), JobCounts(waiting: 0, leased: 1, dead: 3))
            try scope.expect("leased", try await other.lease(kinds: ["a"], limit: 9, for: .seconds(60)), [])
            let dead = try await other.list(.dead, page: PageRequest(limit: 2, offset: 1))
            try scope.expect("dead", dead.items.map(\.id), Array(ids[1...2]))
            try scope.expect("total", dead.total, 3)
            try scope.expect("reasons", dead.items.map(\.reason), ids[1...2].map { "reason \($0)" })
            try scope.expect("attempts", dead.items.map(\.attempts), [1, 1])
            try scope.expect("states", dead.items.map(\.state), [.dead, .dead])
            try scope.expect("requeued", try await other.requeue([ids[1], ids[3], "nowhere", "999999999"]), 1)
            let back = try await queue.lease(kinds: ["a"], limit: 9, for: .seconds(60))
            try scope.expect("back", back.map(\.id), [ids[1]])
            try scope.expect("its attempt", back.first?.attempt, 1)
            try scope.expect("its payload", back.first?.payload == ["n": 1])
            try scope.expect("of nothing", try await queue.requeue([]), 0)
            try scope.expect("all", try await queue.requeue(nil), 2)
            try scope.expect("all again", try await queue.requeue(nil), 0)
            let rest = try await queue.lease(kinds: ["a"], limit: 9, for: .seconds(60))
            try scope.expect("the rest", Set(rest.map(\.id)), [ids[0], ids[2]])
            for job in back + rest { try scope.expect("completed", try await queue.complete(job)) }
        }

        @Sendable static func lists(_ scope: CheckScope) async throws {
            let (queue, other) = try (scope.jobs.first, scope.jobs.second)
            let ids = try await queue.enqueue((0..<25).map { NewJob(kind: $0 % 2 == 0 ? "a" : "b", payload: [:]) })
            let leased = try await queue.lease(kinds: ["b"], limit: 5, for: .seconds(60))
            try scope.expect("leased", leased.count, 5)
            for (state, expected) in [
                (JobState.leased, Set(leased.map(\.id))), (.waiting, Set(ids).subtracting(leased.map(\.id))),
                (.dead, []),
            ] {
                var found: [JobSummary] = []
                for offset in stride(from: 0, to: 30, by: 3) {
                    let page = try await other.list(state, page: PageRequest(limit: 3, offset: offset))
                    try scope.expect("total of \(state)", page.total, expected.count)
                    found += page.items
                }
                try scope.expect("how many \(state)", found.count, expected.count)
                try scope.expect("which \(state)", Set(found.map(\.id)), expected)
                let dates = found.map(\.enqueuedAt)
                try scope.expect("\(state), oldest first", dates == dates.sorted())
                try scope.expect("states", found.allSatisfy { $0.state == state })
                try scope.expect(
                    "attempts", Set(found.map(\.attempts)), state == .dead ? [] : [state == .leased ? 1 : 0])
            }
            try scope.expect("counts", try await other.counts(), JobCounts(waiting: 20, leased: 5, dead: 0))
            let far = try await queue.list(.waiting, page: PageRequest(limit: 9, offset: .max - 9))
            try scope.expect("past the end", far.items, [])
            try scope.expect("total past the end", far.total, 20)
        }
    }
}
