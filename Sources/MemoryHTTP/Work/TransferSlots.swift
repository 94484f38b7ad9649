import HTTPTypes
import Hummingbird
import Synchronization

/// Bounds how many long requests of one kind are in work at the same time.
final class TransferSlots: Sendable {
    /// The place of one request; it is free again with the last reference.
    final class Slot: Sendable {
        private let slots: TransferSlots

        fileprivate init(_ slots: TransferSlots) {
            self.slots = slots
        }

        deinit { slots.used.withLock { $0 -= 1 } }
    }

    private let name: String
    private let count: Int
    private let used = Mutex(0)
    let refusals = RefusalCount()

    /// - Parameter name: of the requests, in responses.
    init(_ name: String, count: Int) {
        self.name = name
        self.count = count
    }

    /// `nil` if all places are taken.
    func take() -> Slot? {
        let isFree = used.withLock { used in
            guard used < count else { return false }
            used += 1
            return true
        }
        if !isFree { refusals.add() }
        return isFree ? Slot(self) : nil
    }

    /// The response if all places are taken.
    var full: Response {
        var response = Response.error(
            .serviceUnavailable, "the server has \(count) \(name) in work, and takes no more; try again later")
        response.headers[.retryAfter] = "10"
        return response
    }
}

/// The requests whose body is read as it arrives, at any size.
enum StreamedBody {
    static let importPath = "/v1/import"

    /// - Parameter target: the path of a request, perhaps with a query.
    static func isStreamed(_ target: some StringProtocol) -> Bool {
        let path = target.prefix { $0 != "?" }
        return path == importPath || path == importPath + "/"
    }
}
