import AgentMemory
import HTTPClient

/// A failed attempt: the message, whether another attempt may succeed, and whether the service
/// itself is at fault.
struct ServiceFailure: Error {
    let error: MemoryError
    let isWorthRetrying: Bool
    /// False if the texts were refused: the service can process others.
    let concernsService: Bool
    /// Whether the service refused what the request says, so that another spelling may be taken.
    var refusesContent = false
    /// The pause that the service asked for.
    var retryAfter: Duration?

    /// A call that brought no response.
    init(_ failure: HTTPClientError, model: ModelName, purpose: ServicePurpose) {
        let code: MemoryError.Code = failure.code == .timedOut ? .timedOut : purpose.failed
        error = MemoryError(
            code, "the \(purpose.noun) model \(model.configured) could not be called: \(failure.message)")
        switch failure.code {
        case .couldNotConnect, .timedOut, .other, .queueFull: isWorthRetrying = true
        case .tls, .tooLarge, .invalidURL, .invalidRequest, .cancelled, .shutDown: isWorthRetrying = false
        }
        concernsService = failure.code != .queueFull && failure.code != .tooLarge
    }

    /// A call that was not sent, because the service has asked for a pause.
    init(pausing rest: Duration, model: ModelName, purpose: ServicePurpose) {
        error = MemoryError(
            purpose.failed,
            "the \(purpose.noun) service of the model \(model.configured) has asked for a pause, which ends in \(rest.components.seconds + 1) s"
        )
        isWorthRetrying = false
        concernsService = false
    }

    /// A response with status 200 whose body is not as expected.
    init(unusable reason: String, model: ModelName, purpose: ServicePurpose) {
        error = MemoryError(purpose.unusable, "the \(purpose.noun) model \(model.configured) returned \(reason)")
        isWorthRetrying = false
        concernsService = true
    }

    /// A response with another status than 200.
    init(
        _ response: HTTPClient.Response, model: ModelName, purpose: ServicePurpose, texts: ArraySlice<String>,
        secret: String?, now: Int
    ) {
        let summary = ServiceFailure.summary(response.body, texts: texts, secret: secret)
        let reason = summary.message.map { ": \($0)" } ?? ""
        let advice = Self.advice(onRefusal: response.status, purpose)
        concernsService = ![400, 413, 422].contains(response.status)
        error = MemoryError(
            advice == nil ? purpose.failed : concernsService ? purpose.refused : purpose.refusedContent,
            "the \(purpose.noun) service responded with \(response.status) for the model \(model.configured)\(reason)\(advice.map { "; \($0)" } ?? "")"
        )
        // A spent quota has the status of a rate limit, but waiting does not bring it back.
        let isQuota = summary.code == "insufficient_quota"
        isWorthRetrying = [408, 429].contains(response.status) && !isQuota || response.status >= 500
        refusesContent = [400, 422].contains(response.status)
        // A redirection may have one too, which is about something else.
        guard response.status == 408 || response.status == 429 || response.status >= 500 else { return }
        retryAfter = response.headers["retry-after"].flatMap { ServiceFailure.retryAfter($0, now: now) }
    }

    /// What to check if the service will refuse the same request again; `nil` if a later attempt
    /// may succeed.
    private static func advice(onRefusal status: Int, _ purpose: ServicePurpose) -> String? {
        let names = purpose.names
        return switch status {
        case 408, 425, 429, 500...: nil
        case 401, 403: "check \(names.apiKey)"
        case 404, 405, 410: "check \(names.model) and \(names.baseURL)"
        case 400, 413, 415, 422: purpose.adviceOnContent
        case 300..<400: "check \(names.baseURL): it redirects, which is not followed"
        default: "check \(names.baseURL), \(names.apiKey) and \(names.model)"
        }
    }

    /// `Retry-After` is a number of seconds or a date (RFC 9110, section 10.2.3).
    static func retryAfter(_ value: String, now: Int) -> Duration? {
        if let seconds = Double(value), seconds >= 0, seconds < 1_000_000 { return .milliseconds(Int(seconds * 1000)) }
        return HTTPDate.unixSeconds(value).map { .seconds(max(0, $0 - now)) }
    }

    /// The message in the error body, at most 200 characters, without the key and without the texts
    /// that were sent.
    static func summary(
        _ body: [UInt8], texts: ArraySlice<String>, secret: String?
    ) -> (message: String?, code: String?) {
        guard body.count <= 64 << 10, let json = try? JSONValue(parsing: body) else { return (nil, nil) }
        // OpenAI and most others; FastAPI's services; Ollama.
        let error = json["error"] ?? json
        let message = error["message"]?.stringValue ?? error["detail"]?.stringValue ?? error.stringValue
        let code = error["code"]?.stringValue
        guard var text = message ?? code else { return (nil, code) }
        if let secret, !secret.isEmpty { text = text.replacing(secret, with: "***") }
        for sent in texts {
            let start = String(sent.prefix(24))
            guard start.utf8.count >= 3, let found = text.firstRange(of: start) else { continue }
            // Everything from there on: how much of the text is quoted, and how it is escaped, is
            // not known.
            text = String(text[..<found.lowerBound]) + "…"
        }
        var words = text.split { $0.isWhitespace || $0.isNewline }.map { word in
            // OpenAI quotes the key with its middle replaced by stars.
            word.hasPrefix("sk-") || word.contains("***") ? "***" : String(word)
        }
        words.removeAll { $0.unicodeScalars.contains { $0.value < 0x20 } }
        let line = words.joined(separator: " ")
        return (line.isEmpty ? nil : line.count > 200 ? String(line.prefix(199)) + "…" : line, code)
    }
}
