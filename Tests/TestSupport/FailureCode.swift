public import AgentMemory

/// The code of the ``MemoryError`` that `body` throws; `nil` if it throws nothing or another error.
public func failureCode<Value>(
    isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Value
) async -> MemoryError.Code? {
    do {
        _ = try await body()
        return nil
    } catch {
        return (error as? MemoryError)?.code
    }
}
