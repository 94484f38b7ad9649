public import AgentMemory
import Synchronization

/// A language model that answers what a test says, and keeps what it was asked.
public final class ScriptedModel: LanguageModel {
    public typealias Reply = @Sendable (LanguageRequest) async throws -> LanguageAnswer

    public let model = "scripted"
    public let reach: LanguageReach
    private let reply: Mutex<Reply>
    private let asked = Mutex<[LanguageRequest]>([])

    /// - Parameters:
    ///   - reach: whose texts it may be sent. What was forgotten is not refused, so that a test
    ///     sees it.
    ///   - reply: the answer to each request.
    public init(within reach: LanguageReach = .everything, _ reply: @escaping Reply) {
        self.reach = reach
        self.reply = Mutex(reply)
    }

    /// Answers with a text.
    public convenience init(_ text: String, isWhole: Bool = true) {
        self.init { _ in Self.answer(text, isWhole: isWhole) }
    }

    public static func answer(_ text: String, isWhole: Bool = true) -> LanguageAnswer {
        LanguageAnswer(text, isWhole: isWhole, tokens: TokenCount(input: 1, output: 1))
    }

    public func replies(_ reply: @escaping Reply) { self.reply.withLock { $0 = reply } }
    public func replies(_ text: String) { replies { _ in Self.answer(text) } }

    public var prompts: [String] { asked.withLock(\.self).map(\.prompt) }
    public var requests: [LanguageRequest] { asked.withLock(\.self) }

    public func answer(_ request: LanguageRequest) async throws -> LanguageAnswer {
        asked.withLock { $0.append(request) }
        return try await reply.withLock(\.self)(request)
    }

    public func unavailability() async -> String? { nil }
    public var usage: [LanguageUsage] { [] }
}
