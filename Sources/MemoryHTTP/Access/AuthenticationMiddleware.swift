public import AgentMemory
import Hummingbird
import Logging

/// Finds out who a request is from, before anything reads its body.
///
/// A refusal is kept in the context and takes effect at the route: what has no route is 404 or 405
/// for everyone, and some routes are open.
struct AuthenticationMiddleware: RouterMiddleware {
    typealias Context = APIContext

    let access: HTTPAccess

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        var context = context
        // Asks no store, and must answer whatever happens.
        if request.uri.path != "/v1/health" {
            switch await caller(of: request) {
            case .success(let caller):
                context.caller = caller
                context.requestLogger[metadataKey: "caller"] = "\(caller.subject)"
            case .failure(let refusal):
                context.refusal = refusal
                context.caller = Self.nobody
            }
        }
        return try await next(request, context)
    }

    private static let nobody = Caller(subject: "nobody", namespaces: [], users: [], rights: [])

    private func caller(of request: Request) async -> Result<Caller, AccessRefusal> {
        let secret: String
        switch Credential(request.headers) {
        case .none: return .failure(.missing)
        case .contradictory: return .failure(.contradictory)
        case .secret(let given): secret = given
        }
        do throws(AuthenticationFailure) {
            let caller = try await access.authenticator.caller(presenting: secret)
            if let wait = access.rateLimiter?.wait(of: caller.subject) {
                return .failure(.tooManyRequests(of: caller.subject, retryAfter: wait))
            }
            return .success(caller)
        } catch {
            return .failure(AccessRefusal(error))
        }
    }
}

/// How requests are authenticated, and how many of them one caller may send.
public struct HTTPAccess: Sendable {
    /// What `GET /v1/ready` calls it, such as `token`.
    public let mode: String
    let authenticator: any Authenticator
    let rateLimiter: RateLimiter?

    /// - Parameter requestsPerMinute: of one caller; `nil` sets no limit.
    public init(mode: String, authenticator: any Authenticator, requestsPerMinute: Int? = nil) {
        self.mode = mode
        self.authenticator = authenticator
        rateLimiter = requestsPerMinute.map { RateLimiter(perMinute: $0) }
    }
}
