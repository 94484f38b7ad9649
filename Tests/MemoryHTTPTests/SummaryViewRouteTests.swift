import AgentMemory
import HTTPTypes
import Testing

/// The routes of summary views and tasks, held against what the reference answers.
@Suite struct SummaryViewRouteTests {
    private struct FixedModel: LanguageModel {
        let model = "fixed"

        func answer(_ request: LanguageRequest) async throws -> LanguageAnswer {
            LanguageAnswer("A summary.", isWhole: true, tokens: TokenCount())
        }

        func unavailability() async -> String? { nil }
        var usage: [LanguageUsage] { [] }
    }

    private func run(_ body: @Sendable @escaping (APIFixture) async throws -> Void) async throws {
        try await APIFixture.run(languageModel: FixedModel(), body)
    }

    @Test func `a view has every member, and null where it was not given`() async throws {
        try await run { api in
            let view = try await api.send(
                .post, "/v1/summary-views",
                #"{"id": "mine", "source": "long_term", "group_by": ["user_id"], "filters": {"namespace": "sv"}}"#)
            #expect(view.status == 200)
            let id = try #require(view.json["id"]?.stringValue)
            #expect(id != "mine" && id.count == 26)
            let expected: JSONValue = [
                "id": .string(id), "name": nil, "source": "long_term", "group_by": ["user_id"],
                "filters": ["namespace": "sv"], "time_window_days": nil, "continuous": false, "prompt": nil,
                "model_name": nil,
            ]
            #expect(view.json == expected)
            #expect(try await api.send(.get, "/v1/summary-views/\(id)").json == expected)
            let list = try await api.send(.get, "/v1/summary-views?limit=1")
            #expect(list.json == [expected] && list.headers[HTTPField.Name("X-Total-Count")!] == "1")
            #expect(try await api.send(.delete, "/v1/summary-views/\(id)").json == ["status": "ok"])
            #expect(try await api.send(.delete, "/v1/summary-views/\(id)").json == ["status": "ok"])
            let gone = try await api.send(.get, "/v1/summary-views/\(id)")
            #expect(gone.status == 404 && gone.detail == "SummaryView \(id) not found")
        }
    }

    @Test(arguments: [
        (
            #"{"source": "working_memory"}"#, 400,
            "SummaryView.source must be 'long_term' for now; 'working_memory' is not yet supported."
        ),
        (
            #"{"source": "long_term", "group_by": ["topics", "user_id", "foo"]}"#, 400,
            "Unsupported group_by fields: foo, topics"
        ),
        (#"{"source": "long_term", "filters": {"foo": "x"}}"#, 400, "Unsupported filter fields: foo"),
        ("{}", 422, "body.source"), (#"{"source": "x"}"#, 422, "body.source"),
        (#"{"source": "long_term", "time_window_days": 0}"#, 422, "body.time_window_days"),
        (#"{"source": "long_term", "time_window_days": 1.5}"#, 422, "body.time_window_days"),
        (#"{"source": "long_term", "grup_by": []}"#, 422, "body.grup_by"),
        (#"{"source": "long_term", "filters": {"topics": {"bogus": 1}}}"#, 422, "body.filters.topics.bogus"),
        (#"{"source": "long_term", "model_name": "x"}"#, 422, "body.model_name"),
    ])
    func `what cannot work is refused`(_ body: String, _ status: Int, _ said: String) async throws {
        try await run { api in
            let answer = try await api.send(.post, "/v1/summary-views", body)
            #expect(answer.status == status)
            #expect(answer.detail == said || answer.places == [said], "\(answer.text)")
        }
    }

    @Test func `partitions and tasks are those of the reference`() async throws {
        try await run { api in
            try await api.create(#"{"id": "a", "text": "likes tea", "user_id": "ada", "namespace": "sv"}"#)
            let view = try await api.send(
                .post, "/v1/summary-views",
                #"{"source": "long_term", "group_by": ["user_id"], "filters": {"namespace": "sv"}}"#)
            let path = "/v1/summary-views/\(view.json["id"]?.stringValue ?? "")"
            let partition = try await api.send(.post, "\(path)/partitions/run", #"{"group": {"user_id": "ada"}}"#)
            #expect(
                partition.json == [
                    "view_id": view.json["id"] ?? nil, "group": ["user_id": "ada"], "summary": "A summary.",
                    "memory_count": 1, "empty": false, "empty_reason": nil,
                    "computed_at": "2026-01-02T03:04:05.000006Z",
                ], "\(partition.text)")
            let empty = try await api.send(.post, "\(path)/partitions/run", #"{"group": {"user_id": "a|b=c"}}"#)
            #expect(empty.json["empty"] == true && empty.json["empty_reason"] == "no_matching_memories")
            #expect(empty.json["summary"] == "" && empty.json["memory_count"] == 0)
            for (body, status, said) in [
                (
                    #"{"group": {"namespace": "sv"}}"#, 400,
                    "group keys ['namespace'] must exactly match view.group_by ['user_id']"
                ),
                (#"{"group": {}}"#, 400, "group keys [] must exactly match view.group_by ['user_id']"),
                (#"{"group": {"user_id": 1}}"#, 422, "body.group.user_id"),
                (#"{"group": {"user_id": null}}"#, 422, "body.group.user_id"), ("{}", 422, "body.group"),
            ] {
                let answer = try await api.send(.post, "\(path)/partitions/run", body)
                #expect(answer.status == status && (answer.detail == said || answer.places == [said]), "\(answer.text)")
            }
            #expect(try await api.send(.get, "\(path)/partitions").json.arrayValue?.count == 2)
            #expect(try await api.send(.get, "\(path)/partitions?user_id=ada").json.arrayValue?.count == 1)
            #expect(try await api.send(.get, "\(path)/partitions?user_id=zzz").json == [])
            #expect(try await api.send(.get, "\(path)/partitions?namespace=sv").json == [])
            #expect(try await api.send(.get, "\(path)/partitions?foo=x").status == 422)
            // Pages in the order of ids, without gaps.
            let whole = try await api.send(.get, "\(path)/partitions").json.arrayValue ?? []
            var paged: [JSONValue] = []
            for offset in 0..<2 {
                let page = try await api.send(.get, "\(path)/partitions?limit=1&offset=\(offset)")
                #expect(page.headers[HTTPField.Name("X-Total-Count")!] == "2")
                paged += page.json.arrayValue ?? []
            }
            #expect(paged == whole)

            let task = try await api.send(.post, "\(path)/run", #"{"task_id": "my/task"}"#)
            #expect(
                task.json == [
                    "id": "my/task", "type": "summary_view_full_run", "status": "pending",
                    "view_id": view.json["id"] ?? nil, "created_at": "2026-01-02T03:04:05.000006Z", "started_at": nil,
                    "completed_at": nil, "error_message": nil,
                ], "\(task.text)")
            #expect(try await api.send(.get, "/v1/tasks/my/task").json == task.json)
            #expect(try await api.send(.post, "\(path)/run", #"{"task_id": ""}"#).json["id"]?.stringValue?.count == 26)
            #expect(try await api.send(.post, "\(path)/run", #"{"force": true}"#).status == 200)
            #expect(try await api.send(.post, "\(path)/run").status == 422)
            let cancelled = try await api.send(.post, "/v1/tasks/my/task/cancel")
            #expect(cancelled.json["status"] == "failed" && cancelled.json["error_message"] == "cancelled")
            #expect(try await api.send(.get, "/v1/tasks/my/task").json == cancelled.json)
            #expect(try await api.send(.post, "/v1/tasks/my/task/cancel").status == 409)
            let unknown = try await api.send(.get, "/v1/tasks/nope")
            #expect(unknown.status == 404 && unknown.detail == "Task nope not found")
            #expect(try await api.send(.post, "/v1/summary-views/nope/run", "{}").status == 404)
            #expect(try await api.send(.get, "/v1/summary-views/nope/partitions").status == 404)
            #expect(try await api.send(.patch, path, "{}").status == 405)
            #expect(
                try await api.send(.put, path, #"{"source": "long_term", "name": "n"}"#).json["name"] == "n")
        }
    }
}
