import AgentMemory
import BackendProtocol
import Foundation
import Testing

/// What is written is what the schema says, by a validator that is not ours.
@Suite struct SchemaTests {
    @Test func `everything fits the schema`() throws {
        let python = try #require(
            ProcessInfo.processInfo.environment["TEST_PYTHON"], "TEST_PYTHON is not set: run make test")
        var lines: [String] = []
        func sample(_ definition: String, _ json: [UInt8]) {
            lines.append("\(definition)\t\(String(decoding: json, as: UTF8.self))")
        }
        for request in try Samples.requests() {
            sample("\(request.operation.rawValue)_request", request.json(analyzer: TextAnalyzer()))
            sample("\(request.operation.rawValue)_request", request.json(analyzer: nil))
        }
        let records = try Samples.records()
        sample("add_answer", BackendAnswer.added(records.map(\.id)))
        sample("search_answer", BackendAnswer.found(try Samples.hits()))
        sample("search_answer", BackendAnswer.found(try Samples.hits(), bytes: [[0, 255], nil]))
        sample("list_answer", BackendAnswer.listed(Page(items: records, total: 2, nextOffset: nil)))
        sample("count_answer", BackendAnswer.number("count", 3))
        sample("remove_answer", BackendAnswer.number("deleted", 3))
        sample("update_answer", BackendAnswer.number("updated", 3))
        sample(
            "health_answer", BackendAnswer.health([ComponentHealth("store", reason: "full"), ComponentHealth("index")]))
        for operation in ["prepare", "drop"] { sample("\(operation)_answer", BackendAnswer.empty) }
        sample("error", BackendFailure.json(MemoryError.invalid("topics", "not so").within(.index(0))))
        sample("error", BackendFailure.json(CancellationError()))
        sample("description", BackendDescription(name: "acme", capabilities: BackendCapabilities()).json)
        sample(
            "description", BackendDescription(name: "acme", capabilities: BackendCapabilities(opaqueBytes: true)).json)
        var writer = JSONWriter()
        BackendSettings(embeddingModel: "m", dimensions: 8, metric: .l2, timeoutMilliseconds: 1, scope: "s").write(
            to: &writer)
        sample("settings", writer.bytes)

        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).tsv")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(lines.joined(separator: "\n").utf8).write(to: file)
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let schema = folder.appendingPathComponent("../../Sources/CMemoryBackend/memory_backend.schema.json")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = [folder.appendingPathComponent("validate.py").path, schema.path, file.path]
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(said)")
        #expect(said.contains("\(lines.count) samples fit, and spoilt ones do not"), "\(said)")
    }
}
