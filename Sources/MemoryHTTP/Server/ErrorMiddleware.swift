import AgentMemory
import HTTPTypes
import Hummingbird
import Logging
import MemoryAPI

/// Turns every error of a handler into a response.
struct ErrorMiddleware: RouterMiddleware {
    typealias Context = APIContext

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let failure as ValidationFailure {
            return .json(ErrorResponse.issues(failure.issues), status: .unprocessableContent)
        } catch let refusal as AccessRefusal {
            refusal.log(to: context.requestLogger)
            return refusal.response
        } catch let error as UnsupportedBody {
            return .error(.unsupportedMediaType, error.message)
        } catch let error as MemoryError {
            return Self.response(to: error, logger: context.requestLogger)
        } catch let error as any HTTPResponseError {
            return Self.response(to: error.status)
        } catch is RequestEnded {
            // The client has its response already or has disconnected: this is not a failure of the
            // server, and the response is not read.
            return .error(.badRequest, "the request body is not complete")
        } catch is CancellationError {
            return .error(.serviceUnavailable, "the server is shutting down")
        } catch {
            context.requestLogger.error("request failed", metadata: ["error": "\(error)"])
            return .error(.internalServerError, "Internal Server Error")
        }
    }

    private static func response(to status: HTTPResponse.Status) -> Response {
        switch status {
        case .notFound: .error(.notFound, "Not Found")
        case .contentTooLarge:
            .error(.contentTooLarge, "the request body is larger than the server allows")
        default: .error(status, status.reasonPhrase)
        }
    }

    private static func response(to error: MemoryError, logger: Logger) -> Response {
        switch error.code {
        case .invalidInput, .unsupported:
            let issue = ValidationIssue(
                "value_error", at: [.key("body")] + error.path, "Value error, \(error.message)")
            return .json(ErrorResponse.issues([issue]), status: .unprocessableContent)
        case .invalidCombination:
            return .error(.badRequest, error.message)
        case .forbidden:
            logger.notice("request refused", metadata: ["reason": "\(error.message)"])
            return .error(.forbidden, error.message)
        case .notFound:
            guard let successor = error.successor else { return .error(.notFound, error.message) }
            return .json(ErrorResponse.replaced(error.message, by: successor), status: .notFound)
        case .conflict:
            return .error(.conflict, error.message)
        case .preconditionFailed:
            return .error(.preconditionFailed, error.message)
        case .storeUnavailable, .timedOut, .embeddingFailed, .languageModelFailed, .languageModelUnusable:
            logger.warning("request refused", metadata: ["error": "\(error)"])
            return .error(.serviceUnavailable, error.message)
        case .embeddingRefused, .languageModelRefused, .languageModelRefusedPrompt:
            logger.error("request failed", metadata: ["error": "\(error)"])
            return .error(.badGateway, error.message)
        case .misconfigured, .internalError:
            logger.error("request failed", metadata: ["error": "\(error)"])
            return .error(.internalServerError, error.message)
        }
    }
}
