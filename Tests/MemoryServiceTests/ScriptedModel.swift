import AgentMemory
import Synchronization

/// A language model that answers what a test says, and keeps what it was asked.
final class ScriptedModel: LanguageModel {
    typealias Reply = @Sendable (LanguageRequest) async throws -> LanguageAnswer

    let model = "scripted"
    private let reply: Mutex<Reply>
    private let asked = Mutex<[LanguageRequest]>([])

    init(_ reply: @escaping Reply) {
        self.reply = Mutex(reply)
    }

    /// Answers with a text.
    convenience init(_ text: String, isWhole: Bool = true) {
        self.init { _ in Self.answer(text, isWhole: isWhole) }
    }

    static func answer(_ text: String, isWhole: Bool = true) -> LanguageAnswer {
        LanguageAnswer(text, isWhole: isWhole, tokens: TokenCount(input: 1, output: 1))
    }

    func replies(_ reply: @escaping Reply) { self.reply.withLock { $0 = reply } }
    func replies(_ text: String) { replies { _ in Self.answer(text) } }

    var prompts: [String] { asked.withLock(\.self).map(\.prompt) }
    var requests: [LanguageRequest] { asked.withLock(\.self) }

    func answer(_ request: LanguageRequest) async throws -> LanguageAnswer {
        asked.withLock { $0.append(request) }
        return try await reply.withLock(\.self)(request)
    }

    func unavailability() async -> String? { nil }
    var usage: [LanguageUsage] { [] }
}
