import AgentMemory
import Logging
import PostgresDriver
import TestSupport
import Testing

@testable import PostgresBackend

@Suite(.tags(.store)) struct DocumentStoreTests {
    @Test func `documents are written, listed, expire and are swept`() async throws {
        try await TestStore.withSchema { schema in
            func open() throws -> PostgresDocumentStore {
                PostgresDocumentStore(
                    database: try PostgresDatabase(
                        configuration: try TestStore.configuration(schema: schema).database, logger: TestStore.logger))
            }
            let stores = (try open(), try open())
            try await withClosing {
                try await stores.0.prepare()
                try await stores.1.prepare()
                try await checkDocuments(stores.0, stores.1)
                #expect(await stores.0.health().map(\.component) == ["documents"])
                let brief = Document(DocumentKey(.task, "brief"), namespace: nil, userID: nil, body: [:])
                _ = try await stores.0.write(brief, expecting: .absent, keptFor: 1)
                try await eventually("the document has expired") {
                    try await stores.0.document(brief.key) == nil
                }
                try await stores.0.database.sweep(batch: 10, DocumentSQL.sweep)
                let left = try await stores.0.database.query(
                    PostgresStatement("SELECT count(*) FROM documents WHERE kind = 'task'"), retry: .repeatable,
                    deadline: .soon
                ).singleRow().int(0)
                #expect(left == 0)
            } close: {
                await stores.0.close()
                await stores.1.close()
            }
        }
    }
}
