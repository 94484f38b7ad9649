import AgentMemory
import Foundation
import Testing

@testable import SentenceModel

/// What the published libraries computed, and the models that they computed it with.
enum ModelFixtures {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures")

    /// The folder of all-MiniLM-L6-v2, which `Scripts/test` fetches.
    static func miniLM() throws -> String {
        try #require(
            ProcessInfo.processInfo.environment["TEST_SENTENCE_MODEL"],
            "TEST_SENTENCE_MODEL is not set: it is the folder that Scripts/fetch-model prints")
    }

    static func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    /// The values of a file with one JSON text a line.
    static func rows(_ name: String) throws -> [JSONValue] {
        try Data(contentsOf: folder.appendingPathComponent(name)).split(separator: UInt8(ascii: "\n")).map {
            try JSONValue(parsing: $0)
        }
    }

    static func data(_ value: JSONValue?) throws -> Data {
        try #require(value?.stringValue.flatMap { Data(base64Encoded: $0) })
    }

    static func ids(_ value: JSONValue?) throws -> [Int32] {
        try data(value).withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: 2).map {
                Int32(bytes.loadUnaligned(fromByteOffset: $0, as: UInt16.self))
            }
        }
    }

    static func halves(_ value: JSONValue?) throws -> [Float] {
        try data(value).withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: 2).map {
                Tensor.float(f16: bytes.loadUnaligned(fromByteOffset: $0, as: UInt16.self))
            }
        }
    }

    static func floats(_ value: JSONValue?) throws -> [Float] {
        try data(value).withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: 4).map { bytes.loadUnaligned(fromByteOffset: $0, as: Float.self) }
        }
    }

    static func cosine(_ a: [Float], _ b: [Float]) -> Double {
        var products = (ab: 0.0, aa: 0.0, bb: 0.0)
        for (x, y) in zip(a, b) {
            products.ab += Double(x) * Double(y)
            products.aa += Double(x) * Double(x)
            products.bb += Double(y) * Double(y)
        }
        return products.ab / (products.aa * products.bb).squareRoot()
    }

    /// Runs `body` with a copy of a small model, in a folder that is removed at the end.
    static func withCopy<Value>(of name: String, _ body: (URL) async throws -> Value) async throws -> Value {
        let copy = FileManager.default.temporaryDirectory.appendingPathComponent("model-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: folder.appendingPathComponent(name), to: copy)
        defer { try? FileManager.default.removeItem(at: copy) }
        return try await body(copy)
    }
}
