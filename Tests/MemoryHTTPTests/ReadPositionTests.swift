import AgentMemory
import HTTPTypes
import MemoryHTTP
import Testing

/// The header of the position that a copy of the store must have reached.
@Suite struct ReadPositionTests {
    private struct Store: ReplicatedStore {
        let hasReplica = true
        func isPosition(_ text: String) -> Bool { text.hasPrefix("at-") }
        func position() async throws -> String { "at-2" }
    }

    private static let name = HTTPField.Name("X-Memory-Position")!

    @Test func `a position is checked, and reads get none`() async throws {
        var configuration = APIRouter.Configuration()
        configuration.replicated = Store()
        try await APIFixture.run(configuration: configuration) { api async throws in
            let found = try await api.send(
                .post, "/v1/long-term-memory/count", "{}", headers: [Self.name: "at-1"])
            #expect(found.status == 200)
            #expect(found.headers[Self.name] == nil)
            let refused = try await api.send(
                .post, "/v1/long-term-memory/count", "{}", headers: [Self.name: "17"])
            #expect(refused.status == 422)
            #expect(refused.places == ["header.X-Memory-Position"])
        }
    }

    @Test func `a server without copies takes any position`() async throws {
        try await APIFixture.run { api async throws in
            let found = try await api.send(
                .post, "/v1/long-term-memory/count", "{}", headers: [Self.name: "17"])
            #expect(found.status == 200)
        }
    }

    @Test func `a request that writes reads from the store itself`() {
        let position = ReadPosition(required: "at-1")
        #expect(position.required == "at-1")
        position.noteWrite()
        #expect(position.required == nil && position.hasWritten)
        let other = ReadPosition(required: "at-1")
        other.excludeCopies()
        #expect(other.required == nil && !other.hasWritten)
    }
}
