import AgentMemory
import Foundation
import HTTPClient
import TestSupport
import Testing

/// One operation on a namespace of its own, during which its server or its command is killed.
struct KilledOperation {
    /// How often each kind is killed on each store; TEST_KILL_ROUNDS says otherwise.
    static let rounds = ProcessInfo.processInfo.environment["TEST_KILL_ROUNDS"].flatMap { Int($0) } ?? 1
    /// Whether operations are large, and all kinds are among them.
    static let isLong = rounds > 1

    enum Kind: CaseIterable {
        case create, replace, change, delete, restore, undo, forget, compact, compactAsTask, erase, importREST,
            importCommand, exportREST, exportCommand, expiry

        /// Whether CI leaves it out: it is one write of the store, or needs thousands of memories.
        var isLeftOut: Bool {
            switch self {
            case .create, .change, .restore, .compactAsTask, .importCommand, .exportREST, .exportCommand, .expiry: true
            case .replace, .delete, .undo, .forget, .compact, .erase, .importREST: false
            }
        }
    }

    typealias State = [String: JSONObject]

    let kind: Kind
    /// How long after its start the operation is killed.
    private(set) var delay: Duration = .zero
    /// How long it took, if it was over before.
    private(set) var took: Duration?

    private let namespace: String
    private let environment: [String: String]
    private let folder: URL
    private var before: State = [:]
    /// The state that the operation leads to, if that is known.
    private var goal: State?
    private var lastEvent = 0
    /// What is undone; of a restore, the event that it goes back to.
    private var operation = ""
    private var doomed: Set<String> = []
    private var tasks: Set<String> = []
    private var export: [UInt8] = []
    private var work: Task<Duration?, Never>?

    init(_ kind: Kind, _ namespace: String, _ environment: [String: String]) {
        self.kind = kind
        self.namespace = namespace
        self.environment = environment
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(namespace)
    }

    private var count: Int {
        switch kind {
        case .compactAsTask: 5200
        case .undo, .forget, .erase, .compact, .importREST, .importCommand: Self.isLong ? 2000 : 500
        default: Self.isLong ? 500 : 200
        }
    }

    private func memory(_ number: Int, _ text: String? = nil) -> JSONValue {
        [
            "id": .string(id(number)), "text": .string(text ?? "\(namespace) text \(number)"),
            "namespace": .string(namespace), "user_id": "u", "topics": [.string("t\(number % 3)")],
            "metadata": ["number": .int(number)],
        ]
    }

    private func id(_ number: Int) -> String { "\(namespace)-\(number)" }
    private var ids: JSONValue { .array((0..<count).map { .string(id($0)) }) }
    private var owner: JSONValue { ["namespace": ["eq": .string(namespace)]] }
    private var file: URL { folder.appendingPathComponent("export.jsonl") }

    private func create(_ api: RESTClient, _ text: (Int) -> String? = { _ in nil }) async throws {
        for start in stride(from: 0, to: count, by: 500) {
            let answer = try await api.create((start..<min(start + 500, count)).map { memory($0, text($0)) })
            #expect(answer.status == 200, "\(answer.detail)")
        }
    }

    private func delete(_ api: RESTClient) async throws -> RESTClient.Answer {
        try await api.send(.post, "/v1/long-term-memory/delete", ["memory_ids": ids])
    }

    // MARK: Before

    mutating func prepare(_ api: RESTClient) async throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        switch kind {
        case .create: break
        case .compact, .compactAsTask:
            let texts = count / 4
            try await create(api) { [namespace] in "\(namespace) text \($0 % texts)" }
        case .expiry:
            let soon = Timestamp.now().advanced(bySeconds: 1).iso8601
            let memories = (0..<count).map { number in
                var memory = memory(number).objectValue ?? [:]
                memory["expires_at"] = .string(soon)
                return JSONValue.object(memory)
            }
            #expect(try await api.create(memories).status == 200)
        default: try await create(api)
        }
        switch kind {
        case .restore:
            let path = "/v1/long-term-memory/\(id(0))"
            #expect(try await api.send(.patch, path, ["text": .string("\(namespace) edited")]).status == 200)
            let history = try await api.send(.get, "\(path)/history").json["events"]?.arrayValue
            operation = "\(history?.last?["sequence"]?.intValue ?? 0)"
        case .undo:
            goal = try await state(api)
            #expect(try await delete(api).status == 200)
            operation = try await events(api).last?["operation"]?.stringValue ?? ""
        case .forget:
            let dry = try await api.send(
                .post, "/v1/long-term-memory/forget?dry_run=true&namespace=\(namespace)", policy)
            doomed = Set(dry.json["deleted_ids"]?.arrayValue?.compactMap(\.stringValue) ?? [])
            #expect(doomed.count == count - count / 4)
        case .erase: tasks = try await erasures(api)
        case .importREST, .importCommand:
            goal = try await state(api)
            export = try await send(.get, api, "/v1/export?namespace=\(namespace)", [])
            try Data(export).write(to: file)
            #expect(try await delete(api).status == 200)
        default: break
        }
        lastEvent = try await events(api).last?["sequence"]?.intValue ?? 0
        if kind == .expiry {
            // Read in the events, so that no read removes what has expired.
            for number in 0..<count { before[id(number)] = [:] }
        } else {
            before = try await state(api)
        }
    }

    private var policy: JSONValue { ["policy": ["budget": .int(count / 4)]] }

    // MARK: The operation

    /// Starts it, and returns after the delay: then the server is to be killed.
    mutating func start(_ server: ServerProcess, _ delay: Duration) async {
        self.delay = delay
        let started = ContinuousClock.now
        let (this, api) = (self, server.client)
        work = Task {
            do {
                return try await this.operate(api, killedAfter: delay) ? ContinuousClock.now - started : nil
            } catch {
                return nil
            }
        }
        try? await Task.sleep(for: delay)
    }

    /// Waits until the operation has ended, or has lost its server.
    mutating func end() async throws {
        took = await work?.value
        work = nil
    }

    /// - Returns: whether it succeeded.
    private func operate(_ api: RESTClient, killedAfter delay: Duration) async throws -> Bool {
        let path = "/v1/long-term-memory/"
        switch kind {
        case .create: return try await api.create((0..<count).map { memory($0) }).status == 200
        case .replace:
            return try await api.create((0..<count).map { memory($0, "\(namespace) new \($0)") }).status == 200
        case .change:
            return try await api.send(
                .patch, path + id(0), ["text": .string("\(namespace) edited"), "topics": ["edited"]]
            ).status == 200
        case .delete: return try await delete(api).status == 200
        case .restore:
            return try await api.send(.post, path + "\(id(0))/restore", ["to": .int(Int(operation) ?? 0)]).status == 200
        case .undo: return try await api.send(.post, "/v1/operations/\(operation)/undo").status == 200
        case .forget: return try await forget(api).status == 200
        case .compact: return try await compact(api).status == 200
        case .compactAsTask: return try await compact(api).status == 202
        case .erase: return try await api.send(.post, "/v1/erase", owner).status == 200
        case .importREST:
            _ = try await send(.post, api, "/v1/import?existing=skip", export)
            return true
        case .exportREST:
            _ = try await send(.get, api, "/v1/export?namespace=\(namespace)", [])
            return true
        case .importCommand: return try await command(["import", "--from", file.path, "--existing", "skip"], delay)
        case .exportCommand:
            return try await command(["export", "--to", file.path, "--namespace", namespace], delay)
        case .expiry:
            while try await api.count(owner) != 0 {}
            return true
        }
    }

    private func forget(_ api: RESTClient) async throws -> RESTClient.Answer {
        try await api.send(
            .post, "/v1/long-term-memory/forget?dry_run=false&limit=100&namespace=\(namespace)", policy)
    }

    private func compact(_ api: RESTClient) async throws -> RESTClient.Answer {
        try await api.send(.post, "/v1/long-term-memory/compact?namespace=\(namespace)")
    }

    /// Runs a command and kills it a while after the server: it needs time to start.
    private func command(_ arguments: [String], _ delay: Duration) async throws -> Bool {
        let process = try await RunningProcess.start(
            ServerProcess.binary, arguments,
            environment: environment.merging(ServerProcess.defaults) { own, _ in own })
        let killer = Task {
            try await Task.sleep(for: .milliseconds(200) + delay)
            process.signal(SIGKILL)
        }
        let status = await process.exitStatus()
        killer.cancel()
        return status == 0
    }

    private func send(
        _ method: HTTPClient.Method, _ api: RESTClient, _ path: String, _ body: [UInt8]
    ) async throws -> [UInt8] {
        let response = try await HTTPClient().send(
            HTTPClient.Request(
                method: method, url: api.url + path,
                headers: body.isEmpty ? [:] : ["Content-Type": "application/x-ndjson"], body: body,
                timeout: .seconds(60)))
        guard response.status == 200 else {
            throw MemoryError(.internalError, String(decoding: response.body, as: UTF8.self))
        }
        return response.body
    }

    // MARK: Afterwards

    /// Checks what is left, completes it, and erases it.
    func check(_ server: ServerProcess) async throws {
        let api = server.client
        // The store may finish what a killed process has sent.
        try await eventually(within: .seconds(20), "\(namespace): each memory is what its events say") {
            try await isConsistent(api)
        }
        let after = try await state(api)
        try await checkEnd(api, after)
        // A search has an exact total; it also counts accesses, so it comes last.
        let left = try await state(api)
        let found = try await api.search(
            ["text": "text", "namespace": ["eq": .string(namespace)], "limit": 1])
        #expect(found.total == left.count, "\(namespace)")
        #expect(try await api.count(owner) == left.count, "\(namespace)")
        #expect(try await api.list(owner).total == left.count, "\(namespace)")
        try await erase(api)
        try FileManager.default.removeItem(at: folder)
    }

    private func checkEnd(_ api: RESTClient, _ after: State) async throws {
        let isAnswered = took != nil
        switch kind {
        case .create, .delete:
            expect(after.isEmpty || after.count == count, "\(after.count) memories")
            if isAnswered { expect(after.isEmpty == (kind == .delete), "\(after.count) memories, but it was answered") }
        case .replace, .change, .restore:
            let changed = after.filter { id, memory in before[id].map(Self.text) != Self.text(memory) }.count
            let whole = kind == .replace ? count : 1
            expect(after.count == count, "\(after.count) memories")
            expect(changed == whole || changed == 0 && !isAnswered, "\(changed) memories changed")
        case .undo:
            let undone = try await api.send(.post, "/v1/operations/\(operation)/undo")
            expect(undone.json["undone"]?.intValue == count, "undo: \(undone.detail)")
            expect(Self.texts(try await state(api)) == Self.texts(goal ?? [:]), "not as before the operation")
        case .forget:
            expect(Set(before.keys).subtracting(after.keys).isSubset(of: doomed), "others are forgotten")
            let again = try await forget(api)
            expect(again.status == 200, "forget: \(again.detail)")
            expect(Set(before.keys).subtracting(try await state(api).keys) == doomed, "others are forgotten")
            try await takeBack(api)
        case .compact:
            try await expectAllTexts(after)
            let again = try await compact(api)
            expect(again.status == 200, "compact: \(again.detail)")
            expect(try await state(api).count == count / 4, "not compact")
            try await expectAllTexts(try await state(api))
            try await takeBack(api)
        case .compactAsTask:
            try await expectAllTexts(after)
            let path = "/v1/tasks"
            var task: JSONValue?
            try await api.wait(for: { try await $0.send(.get, path) }, within: .seconds(60)) { answer in
                let compactions = (answer.json.arrayValue ?? []).filter { $0["type"] == "compaction" }
                task = compactions.first
                return compactions.allSatisfy { $0["status"] == "success" }
            }
            // The request was killed before its task was there, or the task has come to its end.
            guard try await !events(api).isEmpty else { return expect(!isAnswered, "the task is lost") }
            let result = task?["result"]
            expect(try await state(api).count == count / 4, "not compact")
            expect(result?["remaining"]?.intValue == count / 4, "result: \(result?.jsonText ?? "none")")
            expect(result?["merged"]?.intValue == count - count / 4, "result: \(result?.jsonText ?? "none")")
            try await takeBack(api)
        case .erase:
            guard try await !erasures(api).subtracting(tasks).isEmpty else {
                return expect(
                    !isAnswered && Self.texts(after) == Self.texts(before), "no task, but something is erased")
            }
            try await api.wait(for: { try await $0.send(.get, "/v1/tasks") }) { answer in
                (answer.json.arrayValue ?? []).filter { $0["type"] == "erasure" }.allSatisfy {
                    $0["status"] == "success"
                }
            }
            expect(try await state(api).isEmpty, "not erased")
        case .importREST, .importCommand:
            expect(after.count == count || after.count % 200 == 0, "half a batch: \(after.count) memories")
            if isAnswered { expect(after.count == count, "\(after.count) memories, but it was answered") }
            _ = try await send(.post, api, "/v1/import?existing=skip", export)
            expect(Self.texts(try await state(api)) == Self.texts(goal ?? [:]), "not as exported")
            try await takeBack(api)
        case .exportREST, .exportCommand:
            expect(Self.texts(after) == Self.texts(before), "an export has changed something")
            expect(try await events(api).isEmpty, "an export has made events")
            if kind == .exportCommand, FileManager.default.fileExists(atPath: file.path) {
                let text = try String(contentsOf: file, encoding: .utf8)
                expect(text.split(separator: "\n").count == count + 2, "a part of an export is there")
            }
        case .expiry:
            expect(after.isEmpty, "what has expired is seen")
            let events = try await events(api)
            expect(events.count == count, "\(events.count) events")
            expect(events.allSatisfy { $0["reason"] == "expired" }, "other events")
        }
    }

    /// Undoes all operations since the beginning, the last one first.
    private func takeBack(_ api: RESTClient) async throws {
        var operations: [String] = []
        for event in try await events(api).reversed() {
            guard let operation = event["operation"]?.stringValue, !operations.contains(operation) else { continue }
            operations.append(operation)
        }
        for operation in operations {
            let undone = try await api.send(.post, "/v1/operations/\(operation)/undo")
            expect(undone.status == 200, "undo of \(operation): \(undone.detail)")
        }
        expect(Self.texts(try await state(api)) == Self.texts(before), "not as at the beginning")
    }

    private func expectAllTexts(_ state: State) async throws {
        let texts = Set(state.values.compactMap { $0["text"]?.stringValue })
        expect(texts.count == count / 4, "\(texts.count) of \(count / 4) texts are left")
    }

    private func expect(_ condition: Bool, _ message: @autoclosure () -> String) {
        if !condition { Issue.record("\(namespace), killed after \(delay), answered: \(took != nil): \(message())") }
    }

    /// Whether the events since the beginning lead from what is there to what was there.
    private func isConsistent(_ api: RESTClient) async throws -> Bool {
        // One of an erasure has no events any more.
        if kind == .erase { return true }
        let events = try await events(api)
        var states = try await state(api)
        if kind == .expiry {
            return states.isEmpty && Set(events.compactMap { $0["id"]?.stringValue }) == Set(before.keys)
        }
        for event in events.reversed() {
            let id = event["id"]?.stringValue ?? ""
            guard let earlier = event["before"]?.objectValue else {
                states[id] = nil
                continue
            }
            guard states[id] != nil else {
                guard earlier["id"] != nil else { return false }
                states[id] = earlier
                continue
            }
            guard earlier["id"] == nil else { return false }
            for (name, value) in earlier.members { states[id]?[name] = value }
        }
        return Self.texts(states) == Self.texts(before)
    }

    private static func texts(_ state: State) -> [String: String] { state.mapValues(text) }

    private static func text(_ memory: JSONObject) -> String {
        // The statistics of accesses make no event.
        let statistics = MemoryRecord.statistics.map(\.name)
        return memory.members.filter { !statistics.contains($0.name) && $0.value != .null }
            .map { "\($0.name) \($0.value.jsonText)" }.sorted().joined(separator: ", ")
    }

    /// All memories of the namespace. It throws for an answer that is not one, so that what waits
    /// for a state ends.
    private func state(_ api: RESTClient) async throws -> State {
        let answer = try await api.send(.get, "/v1/export?namespace=\(namespace)")
        guard answer.status == 200 else { throw MemoryError(.internalError, "export: \(answer.detail)") }
        var state: State = [:]
        for line in answer.text.split(separator: "\n") {
            guard let record = try JSONValue(parsing: String(line))["record"]?.objectValue else { continue }
            state[record["id"]?.stringValue ?? ""] = record
        }
        return state
    }

    /// The events of the namespace since the beginning.
    private func events(_ api: RESTClient) async throws -> [JSONValue] {
        var events: [JSONValue] = []
        var last = lastEvent
        while true {
            let answer = try await api.send(.get, "/v1/events?after=\(last)&limit=1000")
            let page = answer.json["events"]?.arrayValue ?? []
            guard let end = page.last?["sequence"]?.intValue else { return events }
            events += page.filter { $0["namespace"]?.stringValue == namespace }
            last = end
        }
    }

    private func erasures(_ api: RESTClient) async throws -> Set<String> {
        let tasks = try await api.send(.get, "/v1/tasks").json.arrayValue ?? []
        return Set(tasks.filter { $0["type"] == "erasure" }.compactMap { $0["id"]?.stringValue })
    }

    private func erase(_ api: RESTClient) async throws {
        let answer = try await api.send(.post, "/v1/erase", owner)
        let path = "/v1/tasks/\(answer.json["id"]?.stringValue ?? "")"
        try await api.wait(for: { try await $0.send(.get, path) }) { $0.json["status"] == "success" }
        #expect(try await state(api).isEmpty, "\(namespace)")
    }
}
