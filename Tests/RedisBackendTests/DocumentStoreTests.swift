import AgentMemory
import Logging
import TestSupport
import Testing

@testable import RedisBackend

@Suite(.tags(.store)) struct DocumentStoreTests {
    @Test func `documents are written, listed and expire`() async throws {
        try await TestStore.run { store in
            var configuration = RedisDocumentStore.Configuration()
            configuration.keyPrefix = "\(store.name):documents"
            func open() throws -> RedisDocumentStore {
                RedisDocumentStore(
                    database: try RedisDatabase(configuration: store.server(), logger: Logger(label: "test")),
                    configuration: configuration)
            }
            let stores = (try open(), try open())
            try await withClosing {
                try await stores.0.prepare()
                try await checkDocuments(stores.0, stores.1)
                #expect(await stores.0.health().map(\.component) == ["documents"])
                #expect(await stores.0.health().allSatisfy(\.isOK))
            } close: {
                await stores.0.close()
                await stores.1.close()
            }
        }
    }
}
