import AgentMemory
import HTTPTypes
import Hummingbird
import Logging

/// Errors as the answers that clients know: `{"detail": "text"}`, and for bad input `{"detail": [entries]}`.
enum ErrorResponse {
    static func response(_ status: HTTPResponse.Status, _ detail: String) -> Response {
        .json(status: status) { writer in
            writer.object { writer in
                writer.name("detail")
                writer.string(detail)
            }
        }
    }

    static func response(_ issues: [ValidationIssue]) -> Response {
        .json(status: .unprocessableContent) { writer in
            writer.object { writer in
                writer.name("detail")
                writer.array { writer in
                    for issue in issues { issue.write(to: &writer) }
                }
            }
        }
    }

    static func response(_ error: MemoryError, logger: Logger) -> Response {
        switch error.code {
        case .invalidInput, .unsupported:
            return response([
                ValidationIssue("value_error", at: [.key("body")] + error.path, "Value error, \(error.message)")
            ])
        case .invalidCombination:
            return response(.badRequest, error.message)
        case .notFound:
            return response(.notFound, error.message)
        case .conflict:
            return response(.conflict, error.message)
        case .preconditionFailed:
            return response(.preconditionFailed, error.message)
        case .storeUnavailable, .timedOut, .embeddingFailed:
            logger.warning("request refused", metadata: ["error": "\(error)"])
            return response(.serviceUnavailable, error.message)
        case .embeddingRefused:
            logger.error("request failed", metadata: ["error": "\(error)"])
            return response(.badGateway, error.message)
        case .misconfigured, .internalError:
            logger.error("request failed", metadata: ["error": "\(error)"])
            return response(.internalServerError, error.message)
        }
    }
}

/// Turns whatever a handler throws into an answer, and answers paths that no route has.
struct ErrorMiddleware: RouterMiddleware {
    typealias Context = APIContext

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let failure as ValidationFailure {
            return ErrorResponse.response(failure.issues)
        } catch let error as UnsupportedBody {
            return ErrorResponse.response(.unsupportedMediaType, error.message)
        } catch let error as MemoryError {
            return ErrorResponse.response(error, logger: context.requestLogger)
        } catch let error as any HTTPResponseError {
            return Self.response(to: error.status)
        } catch is RequestEnded {
            // The client has been answered or has gone away: no failure of the server, and no one reads this.
            return ErrorResponse.response(.badRequest, "the request body is not complete")
        } catch is CancellationError {
            return ErrorResponse.response(.serviceUnavailable, "the server is shutting down")
        } catch {
            context.requestLogger.error("request failed", metadata: ["error": "\(error)"])
            return ErrorResponse.response(.internalServerError, "Internal Server Error")
        }
    }

    private static func response(to status: HTTPResponse.Status) -> Response {
        switch status {
        case .notFound: ErrorResponse.response(.notFound, "Not Found")
        case .contentTooLarge:
            ErrorResponse.response(.contentTooLarge, "the request body is larger than the server allows")
        default: ErrorResponse.response(status, status.reasonPhrase)
        }
    }
}
