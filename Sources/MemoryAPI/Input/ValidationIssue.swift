public import AgentMemory

/// One entry of the `detail` of a 422 response, in the shape of FastAPI and pydantic.
public struct ValidationIssue: Sendable, Equatable {
    /// A machine-readable kind, such as `missing` or `value_error`.
    public let type: String
    /// Where: `body` or `query`, then names and positions.
    public let location: [MemoryError.PathComponent]
    /// A sentence for readers.
    public let message: String
    /// What the client sent there; left out if it is long.
    public let input: JSONValue?
    /// The bounds that were broken, such as `{"ge": 1}`.
    public let context: JSONObject?

    /// Longer inputs are not sent back.
    private static let longestEcho = 1000

    public init(
        _ type: String, at location: [MemoryError.PathComponent], _ message: String, input: JSONValue? = nil,
        context: JSONObject? = nil
    ) {
        self.type = type
        self.location = location
        self.message = message
        self.input = input
        self.context = context
    }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("type", type)
            writer.name("loc")
            writer.array { writer in
                for component in location {
                    switch component {
                    case .key(let key): writer.string(key)
                    case .index(let index): writer.int(index)
                    }
                }
            }
            writer.member("msg", message)
            if let input, input.isSmall(Self.longestEcho) { writer.member("input", input) }
            if let context { writer.member("ctx", .object(context)) }
        }
    }
}

extension JSONValue {
    /// Whether the JSON text is about this long or shorter, estimated without writing it.
    fileprivate func isSmall(_ limit: Int) -> Bool {
        var left = limit
        return take(&left)
    }

    private func take(_ left: inout Int) -> Bool {
        switch self {
        case .null, .bool: left -= 5
        case .number(let number): left -= number.literal.utf8.count + 1
        case .string(let string): left -= string.utf8.count + 3
        case .array(let elements):
            left -= 2
            for element in elements where left >= 0 { _ = element.take(&left) }
        case .object(let object):
            left -= 2
            for member in object.members where left >= 0 {
                left -= member.name.utf8.count + 4
                _ = member.value.take(&left)
            }
        }
        return left >= 0
    }
}

/// All problems of a request, so that a client sees every mistake at once.
public struct ValidationFailure: Error, Sendable {
    public let issues: [ValidationIssue]

    public init(issues: [ValidationIssue]) {
        self.issues = issues
    }
}

/// The issues of one request, which the readers of its objects share while it is read.
public final class IssueList {
    public private(set) var issues: [ValidationIssue] = []

    /// The limit of listed issues: a small request must not cause a huge response.
    private static let limit = 100

    public init() {}

    var count: Int { issues.count }

    var hasAny: Bool { !issues.isEmpty }

    /// Whether further reading would add nothing.
    public var isFull: Bool { issues.count >= Self.limit }

    public func add(_ issue: ValidationIssue) {
        issues.append(issue)
    }

    /// Adds the issue of a broken rule of the domain under `location`.
    ///
    /// - Throws: any error that is not about a value.
    func add(_ error: MemoryError, at location: [MemoryError.PathComponent], input: JSONValue? = nil) throws {
        guard error.code == .invalidInput else { throw error }
        add(
            ValidationIssue(
                "value_error", at: location + error.path, "Value error, \(error.message)", input: input))
    }

    /// - Throws: ``ValidationFailure`` if there is any issue.
    public func check() throws(ValidationFailure) {
        if hasAny { throw ValidationFailure(issues: issues) }
    }
}
