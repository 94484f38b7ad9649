public import AgentMemory

/// The JSON body of a response.
public protocol APIResponse {
    /// The approximate number of bytes of the body.
    var estimatedBytes: Int { get }

    /// Writes the body, one JSON value.
    func write(to writer: inout JSONWriter)
}

extension APIResponse {
    public var estimatedBytes: Int { 1024 }

    /// The body as UTF-8.
    public var bytes: [UInt8] {
        var writer = JSONWriter(capacity: estimatedBytes)
        write(to: &writer)
        return writer.bytes
    }
}

/// `{"status": text}`, with which several routes respond.
public struct StatusResponse: APIResponse {
    private let text: String

    public init(_ text: String) {
        self.text = text
    }

    public func write(to writer: inout JSONWriter) {
        writer.object { $0.member("status", text) }
    }
}

/// Errors as clients know them: `{"detail": "text"}`, and for bad input `{"detail": [entries]}`.
public enum ErrorResponse: APIResponse {
    case detail(String)
    /// With the id of the memory that took the place of the one that was asked for.
    case replaced(String, by: String)
    case issues([ValidationIssue])

    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            switch self {
            case .detail(let text): writer.member("detail", text)
            case .replaced(let text, let successor):
                writer.member("detail", text)
                writer.member("successor", successor)
            case .issues(let issues):
                writer.name("detail")
                writer.array { writer in
                    for issue in issues { issue.write(to: &writer) }
                }
            }
        }
    }
}
