import AgentMemory
import Prompts

/// Asks a language model on behalf of background jobs.
struct ModelQuestions: Sendable {
    /// The model cannot be asked now: its service fails, its budget is used up, or it answers too
    /// many calls already. A later call may succeed.
    struct Pause: Error {
        let reason: String
    }

    /// The answer to a question for a list of items.
    enum Items: Sendable, Equatable {
        case read([JSONValue])
        /// The model was cut off. These items are whole.
        case cut([JSONValue])
        /// Not the JSON that was asked for, also after a second call.
        case unusable
    }

    let model: any LanguageModel
    let prompts: PromptSet
    /// For one call with all its attempts.
    let timeLimit: Duration

    /// Whether the model may be sent texts of a namespace; `nil` for texts without one.
    func reaches(_ namespace: String?) -> Bool { model.reach.contains(namespace) }

    /// The model's answer.
    ///
    /// - Parameters:
    ///   - namespace: what the tokens are counted for.
    ///   - textNamespaces: of the texts; default: `namespace`.
    /// - Throws: ``Pause``; ``MemoryError``: `languageModelRefused`; `languageModelRefusedPrompt`
    ///   if the service has answered another prompt since; `languageModelUnusable`;
    ///   `CancellationError`.
    func text(
        _ prompt: String, for task: LanguageTask, quoting quotes: [String], namespace: String?,
        textsOf textNamespaces: [String?]? = nil
    ) async throws -> LanguageAnswer {
        try await answer(
            LanguageRequest(
                task, prompt: prompt, quoting: quotes, namespace: namespace, textsOf: textNamespaces,
                timeLimit: timeLimit))
    }

    /// The items of a list in the model's JSON. An answer that cannot be read is asked for once
    /// more.
    ///
    /// - Parameters:
    ///   - prompt: says what the JSON must look like.
    ///   - list: the name of the list.
    ///   - mark: a member that every item has.
    /// - Throws: as ``text(_:for:quoting:namespace:)``.
    func items(
        _ prompt: String, for task: LanguageTask, schema: AnswerSchema, list: String, mark: String,
        quoting quotes: [String], namespace: String?
    ) async throws -> Items {
        func ask(_ prompt: String) async throws -> (items: [JSONValue]?, answer: LanguageAnswer) {
            let answer = try await self.answer(
                LanguageRequest(
                    task, prompt: prompt, quoting: quotes, namespace: namespace, timeLimit: timeLimit,
                    format: .json(schema)))
            return (
                AnswerReader.items(in: answer.text, list: list, mark: mark, isWhole: answer.isWhole), answer
            )
        }
        let (items, answer) = try await ask(prompt)
        guard answer.isWhole else { return .cut(items ?? []) }
        if let items { return .read(items) }
        let repair = prompts[.jsonRepair].filled(with: ["prompt": prompt, "answer": answer.text.quotedLines])
        let second = try await ask(repair)
        guard let items = second.items else { return .unusable }
        return second.answer.isWhole ? .read(items) : .cut(items)
    }

    private func answer(_ request: LanguageRequest) async throws -> LanguageAnswer {
        do {
            return try await answerOrPause(request)
        } catch let error as MemoryError where error.code == .languageModelRefusedPrompt {
            // A service may refuse every prompt in this way, such as one whose credit is used up.
            guard
                try await answersOthers(
                    for: request.task, namespace: request.namespace,
                    textsOf: request.textNamespaces.map { $0?.value })
            else {
                throw MemoryError(.languageModelRefused, error.message)
            }
            throw error
        }
    }

    private func answerOrPause(_ request: LanguageRequest) async throws -> LanguageAnswer {
        do {
            return try await model.answer(request)
        } catch let error as MemoryError where [.languageModelFailed, .timedOut].contains(error.code) {
            throw Pause(reason: error.message)
        }
    }

    /// Whether the model answers a prompt that is harmless and short: then one that it does not
    /// answer is at fault itself.
    ///
    /// - Parameters: those of the other prompt.
    /// - Throws: ``Pause``; ``MemoryError`` with code `languageModelRefused`; `CancellationError`.
    func answersOthers(
        for task: LanguageTask, namespace: String?, textsOf textNamespaces: [String?]? = nil
    ) async throws -> Bool {
        do {
            let answer = try await answerOrPause(
                LanguageRequest(
                    task, prompt: "Answer with the word OK.", quoting: [], namespace: namespace,
                    textsOf: textNamespaces, timeLimit: timeLimit))
            return answer.isWhole && !SearchQuery.isBlank(answer.text)
        } catch let error as MemoryError where error.concernsPrompt {
            return false
        }
    }
}

extension LanguageAnswer {
    /// Characters of a summary that are kept: far more than any prompt asks for.
    private static let longestSummary = 20_000

    /// The text of a summary: without what clients may not send back as a context.
    var summary: String {
        let text = String(String.UnicodeScalarView(self.text.unicodeScalars.filter { $0.value != 0 })).trimmed
        return text.count > Self.longestSummary ? "\(text.prefix(Self.longestSummary)) […]" : text
    }
}

extension String {
    /// The text as data within a prompt: no line of it can be the line that ends the data.
    var quotedLines: String {
        split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
            .map { $0.contains("=") && $0.allSatisfy { $0 == "=" || $0.isWhitespace } ? "    \($0)" : String($0) }
            .joined(separator: "\n")
    }
}
