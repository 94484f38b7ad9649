import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore

/// Keeps large requests within the budget, and off the event loops of connections.
///
/// A request is large because of its body, because of the last response of its path, or if it reads
/// a whole session of unknown size. Its share is held until the response is in the socket: a client
/// that does not read holds it until it is disconnected.
struct LargeWorkMiddleware: RouterMiddleware {
    typealias Context = APIContext

    let work: LargeWork

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        // What is refused reads nothing and answers little; a streamed body is never in memory;
        // metrics must be readable while the budget is used up.
        guard context.refusal == nil, !StreamedBody.isStreamed(request.uri.path),
            request.uri.path != MetricsController.path
        else {
            return try await next(request, context)
        }
        do {
            let wanted = expectedBytes(request)
            let isOpenEnded = request.headers[.transferEncoding] != nil
            guard wanted > 0 || isOpenEnded else {
                return try await paced(try await next(request, context), to: request)
            }
            // A body of unknown length takes its share as it arrives, if it becomes large.
            let share =
                wanted > 0
                ? try await work.budget.share(wanted, patience: work.limits.patience) : work.budget.overdraw(0)
            return try await withTaskExecutorPreference(work.threads) {
                // The share is held until the response is made, and until there is room for it to
                // wait for its client.
                defer { withExtendedLifetime(share) {} }
                var request = request
                var context = context
                context.executor = work.threads
                if isOpenEnded {
                    request.body = HummingbirdCore.RequestBody(
                        asyncSequence: MeteredBody(body: request.body, share: share, patience: work.limits.patience))
                }
                return try await paced(try await next(request, context), to: request)
            }
        } catch is WorkBudget.Exhausted {
            work.refusals.add()
            return busy
        }
    }

    /// Bytes that processing the request will take; 0 if it is not large.
    private func expectedBytes(_ request: Request) -> Int {
        let body = request.headers[.contentLength].flatMap(Int.init) ?? 0
        let answer = work.sizes[Self.key(request)] ?? (readsWholeSession(request) ? work.limits.bytes / 16 : 0)
        let expected = max(body, answer)
        return expected >= WorkLimits.large ? expected : 0
    }

    private func readsWholeSession(_ request: Request) -> Bool {
        (request.method == .get || request.method == .head)
            && request.uri.path.hasPrefix("/v1/working-memory/") && request.uri.path != "/v1/working-memory/"
            && !Self.asksForPart(request)
    }

    private static func asksForPart(_ request: Request) -> Bool {
        request.uri.query?.contains("recent_messages_limit") == true
    }

    /// The key that responses of one size have in common.
    private static func key(_ request: Request) -> String {
        asksForPart(request) ? request.uri.path + "#part" : request.uri.path
    }

    /// The response with a share of its own, written at the pace at which the client reads.
    ///
    /// - Throws: ``WorkBudget/Exhausted`` if there is no room for a response to a request that
    ///   changed nothing.
    private func paced(_ response: Response, to request: Request) async throws -> Response {
        let length = response.body.contentLength ?? 0
        if response.status == .ok { work.sizes.note(length, for: Self.key(request)) }
        guard length >= WorkLimits.large, request.method != .head else { return response }
        let share: WorkBudget.Share
        do {
            share = try await work.outgoing.share(length, patience: work.limits.patience)
        } catch {
            // The effect of a write cannot be undone, so its response is sent in any case.
            guard request.method != .get else { throw error }
            share = work.outgoing.overdraw(length)
        }
        var response = response
        let body = response.body
        response.body = ResponseBody(contentLength: length) { writer in
            defer { withExtendedLifetime(share) {} }
            try await body.write(PacedWriter(base: writer))
        }
        return response
    }

    private var busy: Response {
        var response = Response.error(
            .serviceUnavailable,
            "the server has as many large requests in work as it may (\(work.limits.bytesName)); try again in a moment")
        response.headers[.retryAfter] = "1"
        return response
    }
}

/// Writes in pieces, each of which waits until the client has read the earlier ones.
struct PacedWriter: ResponseBodyWriter {
    private static let piece = 64 << 10

    var base: any ResponseBodyWriter

    mutating func write(_ buffer: ByteBuffer) async throws {
        var rest = buffer
        while let piece = rest.readSlice(length: min(Self.piece, rest.readableBytes)), piece.readableBytes > 0 {
            try await base.write(piece)
        }
    }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
        try await base.finish(trailingHeaders)
    }
}
