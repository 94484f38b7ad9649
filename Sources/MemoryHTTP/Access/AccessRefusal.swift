import AgentMemory
import HTTPTypes
import Hummingbird
import Logging

/// Why a request is refused, as the response says it.
struct AccessRefusal: Error {
    let status: HTTPResponse.Status
    let detail: String
    var headers = HTTPFields()
    /// What logs call the one who asked; never a secret. `nil` if nothing is known.
    var subject: String?
    /// What happened below, for logs only.
    var underlying: String?

    static let missing = AccessRefusal.unauthorized("Missing authorization header")
    static let contradictory = AccessRefusal.unauthorized("Two different tokens are given: send one")

    static func unauthorized(_ detail: String, isInvalid: Bool = false) -> AccessRefusal {
        // RFC 6750, section 3: no error code where nothing was presented.
        AccessRefusal(
            status: .unauthorized, detail: detail,
            headers: [.wwwAuthenticate: isInvalid ? "Bearer error=\"invalid_token\"" : "Bearer"])
    }

    static func tooManyRequests(of subject: String, retryAfter seconds: Int) -> AccessRefusal {
        var refusal = AccessRefusal(
            status: .tooManyRequests, detail: "Too many requests with this token; try again in \(seconds) s",
            headers: [.retryAfter: String(seconds)])
        refusal.subject = subject
        return refusal
    }

    init(status: HTTPResponse.Status, detail: String, headers: HTTPFields = HTTPFields()) {
        self.status = status
        self.detail = detail
        self.headers = headers
    }

    init(_ failure: AuthenticationFailure) {
        switch failure.reason {
        case .refused: self = .unauthorized(failure.message, isInvalid: true)
        case .unavailable: self.init(status: .serviceUnavailable, detail: failure.message)
        }
        subject = failure.subject
        underlying = failure.underlying
    }

    /// One line in the log.
    func log(to logger: Logger) {
        var metadata: Logger.Metadata = ["status": "\(status.code)", "reason": "\(detail)"]
        if let subject { metadata["caller"] = "\(subject)" }
        if let underlying { metadata["error"] = "\(underlying)" }
        logger.notice("request refused", metadata: metadata)
    }

    var response: Response {
        var response = Response.error(status, detail)
        for header in headers { response.headers.append(header) }
        return response
    }
}
