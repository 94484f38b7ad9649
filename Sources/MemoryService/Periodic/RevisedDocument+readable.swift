import AgentMemory
import Logging

extension Sequence<RevisedDocument> {
    /// What the documents hold. One that cannot be read, such as one that a newer server has
    /// written, is left out and logged, so that the work on the others goes on.
    ///
    /// For periodic work only: an answer to a caller leaves nothing out.
    func readable<Value>(
        _ read: (Document) throws(MemoryError) -> Value, logger: Logger
    ) -> [(document: Document, value: Value)] {
        compactMap { stored in
            do throws(MemoryError) {
                return (stored.document, try read(stored.document))
            } catch {
                logger.error(
                    "a stored document cannot be read and is left out",
                    metadata: [
                        "kind": "\(stored.document.key.kind)", "id": "\(stored.document.key.id)", "error": "\(error)",
                    ])
                return nil
            }
        }
    }
}
