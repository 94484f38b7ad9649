import AgentMemory
import BackendProtocol

extension PendingCalls.Reply {
    /// The content of the reply.
    ///
    /// - Parameter backend: its name, for errors.
    /// - Throws: the failure that it reports; ``MemoryError`` with code `internalError` if it is
    ///   not a valid reply.
    func value(of operation: BackendOperation, backend: String) throws -> JSONValue {
        let value =
            switch content {
            case .text(let json): try? JSONValue(fromBorder: json)
            case .value(let value): value
            }
        guard let status = BackendStatus(rawValue: status) else {
            throw MemoryError(
                .internalError,
                "the backend \(backend) responded to \(operation.rawValue) with an unknown status \(status)"
            )
        }
        switch status {
        case .ok: break
        case .cancelled where !Task.isCancelled, .misconfigured where operation != .prepare:
            throw MemoryError(
                .internalError,
                "the backend \(backend) responded to \(operation.rawValue) with \(status.word), which does not fit the operation",
                underlying: value?["message"]?.stringValue)
        default: throw BackendFailure.error(status, value, backend: backend)
        }
        guard let value else {
            throw MemoryError(
                .internalError,
                "the backend \(backend) responded to \(operation.rawValue) with something that is not JSON")
        }
        return value
    }
}
