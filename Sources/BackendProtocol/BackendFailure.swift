public import AgentMemory

/// The JSON of a call that failed: `error` in the schema.
public enum BackendFailure {
    /// - Parameter error: of an error that is not a ``MemoryError`` only the type is shown.
    public static func json(_ error: any Error) -> [UInt8] {
        var writer = JSONWriter(capacity: 128)
        writer.object { writer in
            guard let error = error as? MemoryError else {
                writer.name("message")
                writer.string(
                    error is CancellationError ? "the call was cancelled" : "an error of type \(type(of: error))")
                writer.name("detail")
                writer.string(String(describing: error))
                return
            }
            writer.name("message")
            writer.string(error.message)
            writer.name("detail")
            writer.string(error.underlying)
            writer.name("path")
            writer.array { writer in
                for component in error.path {
                    switch component {
                    case .key(let key): writer.string(key)
                    case .index(let index): writer.int(index)
                    }
                }
            }
        }
        return writer.bytes
    }

    /// The error for `status` and its JSON.
    ///
    /// - Parameters:
    ///   - status: not ``BackendStatus/ok``.
    ///   - json: the JSON with the status; anything but an `error` of the schema is ignored.
    ///   - backend: the backend's name, for an error without a message.
    public static func error(_ status: BackendStatus, _ json: JSONValue?, backend: String) -> any Error {
        guard let code = status.errorCode else { return CancellationError() }
        let message = json?["message"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 }
        let path = (json?["path"]?.arrayValue ?? []).compactMap { component -> MemoryError.PathComponent? in
            component.stringValue.map { .key($0) } ?? component.intValue.map { .index($0) }
        }
        return MemoryError(
            code, message ?? "the backend \(backend) failed with \(status.word) without a message", path: path,
            underlying: json?["detail"]?.stringValue)
    }
}
