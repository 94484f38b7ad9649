import AgentMemory
import Foundation
import HTTPTypes
import Testing

/// Requests that were recorded at the reference server with their answers, sent to ours.
@Suite struct ReferenceAnswerTests {
    /// A second after the recording, so that its messages do not lie in the future.
    private static let now = Timestamp(parsing: "2026-11-22T15:04:25Z") ?? .earliest

    /// Where ours means to answer otherwise: the status, and why.
    private static let deviations: [String: (status: Int, reason: String)] = [
        "wm.get_user_case": (404, "user ids are compared exactly"),
        "wm.get_sess_case": (404, "session ids are compared exactly"),
        "wm.put_future_epoch": (422, "the reference answers 500 for a number as a date"),
        "wm.sid_put.a/b": (200, "a session id may hold a slash"),
        "wm.sid_get.co,ma": (200, "a session id may hold a comma"),
        "wm.put_blank_sid": (422, "a session id is not blank (rule R5)"),
    ]
    /// Members that ours means to differ in.
    private static let times = ["last_accessed", "created_at", "updated_at"]

    @Test func `recorded requests get the recorded answers`() async throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("reference-working-memory.jsonl")
        let cases = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map {
            try JSONValue(parsing: String($0))
        }
        #expect(cases.count == 53)
        try await APIFixture.run(now: Self.now) { api async throws in
            for recorded in cases { try await Self.check(recorded, api) }
        }
    }

    private static func check(_ recorded: JSONValue, _ api: APIFixture) async throws {
        let name = recorded["name"]?.stringValue ?? ""
        var path = recorded["path"]?.stringValue ?? ""
        let query = (recorded["query"]?.objectValue ?? [:]).members.map {
            "\($0.name)=\($0.value.stringValue ?? $0.value.jsonText)"
        }
        if !query.isEmpty { path += "?" + query.joined(separator: "&") }
        let method = try #require(HTTPRequest.Method(rawValue: recorded["method"]?.stringValue ?? ""))
        let body = recorded["body"]?.jsonText
        let answer = try await api.send(method, path, body)
        if let deviation = deviations[name] {
            #expect(answer.status == deviation.status, "\(name): \(deviation.reason); \(answer.text)")
            return
        }
        #expect(answer.status == recorded["status"]?.intValue, "\(name): \(answer.text)")
        let expected = try #require(recorded["answer"])
        if answer.status == 422 {
            let places = (expected["detail"]?.arrayValue ?? []).map { $0["loc"] }
            for issue in answer.json["detail"]?.arrayValue ?? [] {
                #expect(places.contains(issue["loc"]), "\(name): \(issue.jsonText)")
            }
        } else {
            #expect(comparable(answer.json) == comparable(expected), "\(name): \(answer.text)")
        }
    }

    /// The answer without times, and without an id that the server made.
    private static func comparable(_ value: JSONValue) -> JSONValue {
        guard case .object(var object) = value else { return value }
        for time in times { object[time] = nil }
        // The reference answers a GET with {} where there is no data.
        if object["data"]?.objectValue?.isEmpty == true { object["data"] = .null }
        if let memories = object["memories"]?.arrayValue {
            object["memories"] = .array(
                memories.map { memory in
                    guard case .object(var memory) = memory else { return memory }
                    for time in times { memory[time] = nil }
                    if memory["id"]?.stringValue?.count == 26 { memory["id"] = nil }
                    // One of the two shapes in which the reference answers lacks these.
                    memory["pinned"] = nil
                    memory["access_count"] = nil
                    return .object(memory)
                })
        }
        return .object(object)
    }
}
