import ReferenceBackend
import TestSupport
import Testing

@Suite struct ReferenceDocumentTests {
    @Test func `documents in memory do what those of other stores do`() async throws {
        let store = ReferenceDocumentStore()
        try await checkDocuments(store, store)
    }
}
