import HummingbirdCore
import NIOCore

/// A body of unknown length; the share of its request grows with the received bytes.
struct MeteredBody: AsyncSequence, Sendable {
    /// The step by which a share grows.
    private static let step = 1 << 20

    let body: HummingbirdCore.RequestBody
    let share: WorkBudget.Share
    let patience: Duration

    struct AsyncIterator: AsyncIteratorProtocol {
        var base: HummingbirdCore.RequestBody.AsyncIterator
        let share: WorkBudget.Share
        let patience: Duration
        var bytes = 0

        /// - Throws: ``WorkBudget/Exhausted`` if the budget has no room for more of the body.
        mutating func next() async throws -> ByteBuffer? {
            guard let part = try await base.next() else { return nil }
            bytes += part.readableBytes
            if bytes > WorkLimits.large, bytes > share.bytes {
                try await share.grow(to: bytes + MeteredBody.step, patience: patience)
            }
            return part
        }
    }

    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(base: body.makeAsyncIterator(), share: share, patience: patience)
    }
}
