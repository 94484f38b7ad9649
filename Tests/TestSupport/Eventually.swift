/// A condition that ``eventually(within:_:_:isolation:)`` waited for in vain.
public struct NeverTrue: Error, CustomStringConvertible {
    public let description: String
}

/// Waits until `condition` holds.
///
/// It asks again after a pause of 2 ms: asking without a pause would keep what the condition waits
/// for from its work on a machine with few threads.
///
/// - Parameters:
///   - limit: after which it gives up; half a minute is long for what takes milliseconds, on a
///     machine that runs many other tests meanwhile.
///   - what: the condition in words, evaluated when it has not come true.
/// - Throws: ``NeverTrue`` after the limit; what the condition throws.
public func eventually(
    within limit: Duration = .seconds(30), _ what: @autoclosure () -> String = "the condition",
    isolation: isolated (any Actor)? = #isolation, _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            throw NeverTrue(description: "\(what()) has not come true within \(limit)")
        }
        try await Task.sleep(for: .milliseconds(2))
    }
}
