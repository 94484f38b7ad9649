/// Runs `body`, then `close` whatever happened.
///
/// - Returns: what `body` returns.
/// - Throws: what `body` throws; otherwise what `close` throws.
public func withClosing<Value>(
    isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> sending Value,
    close: () async throws -> Void
) async throws -> sending Value {
    let value: Value
    do {
        value = try await body()
    } catch {
        try? await close()
        throw error
    }
    try await close()
    return value
}
