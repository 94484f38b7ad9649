public import AgentMemory
public import HTTPClient
public import Logging
import Synchronization

/// Sends requests to one model's service.
///
/// Attempts that may succeed later (429, 5xx, no connection, no response in time) are repeated with
/// growing pauses, or after the pause that the service asks for, until the call's deadline.
public struct RetryingClient: Sendable {
    /// The message for an unexpected response.
    public struct UnusableResponse: Error {
        /// Completes "the model returned …".
        public let reason: String

        public init(reason: String) { self.reason = reason }
    }

    /// The pause before the second attempt; it doubles with each further one, up to
    /// ``longestPause``.
    static let firstPause = Duration.milliseconds(250)
    static let longestPause = Duration.seconds(8)

    public let endpoint: ServiceEndpoint
    private let model: ModelName
    private let purpose: ServicePurpose
    private let configuration: ServiceConfiguration
    private let client: HTTPClient
    private let logger: Logger
    private let clock: ServiceClock
    private let health: ServiceHealth
    private let sharedPause: ServicePause?
    private let firstTaken = FirstTaken()

    /// The first spelling of ``sendFirstTaken(of:quoting:by:body:read:)`` that was not refused.
    private final class FirstTaken: Sendable {
        let position = Atomic(0)
    }

    /// - Parameter client: sends the requests; its owner closes it.
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the field.
    public init(
        _ configuration: ServiceConfiguration, model: ModelName, purpose: ServicePurpose, client: HTTPClient,
        logger: Logger, clock: ServiceClock = .real
    ) throws(MemoryError) {
        endpoint = try ServiceEndpoint(configuration, model: model, purpose: purpose)
        self.model = model
        self.purpose = purpose
        self.configuration = configuration
        self.client = client
        self.logger = logger
        self.clock = clock
        health = ServiceHealth(clock: clock)
        sharedPause = configuration.sharesPauses ? ServicePause() : nil
    }

    /// The end of a call that starts now, on the clock of this client. The requests of one call
    /// share it.
    public func deadline() -> Duration { clock.elapsed() + configuration.deadline }

    /// As ``deadline()``, for a call that has no more than `limit`.
    public func deadline(within limit: Duration) -> Duration {
        clock.elapsed() + min(limit, configuration.deadline)
    }

    /// The reason of the last failure, unless a success followed or it is a minute old.
    public var lastFailure: String? { health.lastFailure }

    /// The error of a call that would have to wait for the end of a pause beyond `deadline`
    /// (``ServiceConfiguration/sharesPauses``); `nil` if it may be sent, now or in time.
    ///
    /// - Parameter deadline: `nil` for now.
    public func refusal(by deadline: Duration? = nil) -> MemoryError? {
        let now = clock.elapsed()
        guard let rest = sharedPause?.rest(at: now), now + rest >= deadline ?? now else { return nil }
        return ServiceFailure(pausing: rest, model: model, purpose: purpose).error
    }

    /// Waits for the end of a pause that the service has asked for.
    ///
    /// - Throws: ``ServiceFailure`` if it ends after `deadline`; `CancellationError`.
    private func waitForPause(by deadline: Duration) async throws {
        while let rest = sharedPause?.rest(at: clock.elapsed()) {
            guard clock.elapsed() + rest < deadline else {
                throw ServiceFailure(pausing: rest, model: model, purpose: purpose)
            }
            try await clock.sleep(rest)
        }
    }

    /// Sends one request, and repeats it if that may help.
    ///
    /// - Parameters:
    ///   - body: JSON.
    ///   - texts: the users' texts in the body; messages never quote them.
    ///   - deadline: see ``deadline()``.
    ///   - read: reads the body of a response with status 200.
    /// - Throws: ``MemoryError`` with a code of the purpose or `timedOut`; `CancellationError`.
    public func send<Answer: Sendable>(
        _ body: [UInt8], quoting texts: ArraySlice<String>, by deadline: Duration,
        read: @Sendable ([UInt8]) throws(UnusableResponse) -> Answer
    ) async throws -> Answer {
        do {
            return try await sendRepeatedly(body, quoting: texts, by: deadline, read: read)
        } catch let failure as ServiceFailure {
            throw failure.error
        }
    }

    /// Sends the first of several spellings of one request that the service does not refuse with
    /// 400 or 422. Where a later one was taken, those before it are not tried again until the
    /// server is started again.
    ///
    /// - Parameters:
    ///   - spellings: in the order of preference, at least one.
    ///   - texts: the users' texts in the bodies; messages never quote them.
    ///   - deadline: of all of them together; see ``deadline()``.
    ///   - body: makes the JSON of a spelling.
    ///   - read: reads the body of a response with status 200.
    /// - Throws: as ``send(_:quoting:by:read:)``, what the last one failed with.
    public func sendFirstTaken<Spelling, Answer: Sendable>(
        of spellings: [Spelling], quoting texts: ArraySlice<String>, by deadline: Duration,
        body: (Spelling) -> [UInt8], read: @Sendable ([UInt8]) throws(UnusableResponse) -> Answer
    ) async throws -> Answer {
        let last = spellings.count - 1
        let first = min(firstTaken.position.load(ordering: .relaxed), last)
        for position in first...last {
            do {
                let answer = try await sendRepeatedly(
                    body(spellings[position]), quoting: texts, by: deadline, read: read)
                if position > first { firstTaken.position.store(position, ordering: .relaxed) }
                return answer
            } catch let failure as ServiceFailure {
                guard failure.refusesContent, position < last else { throw failure.error }
            }
        }
        preconditionFailure("no spelling to send")
    }

    /// - Throws: ``ServiceFailure``; `CancellationError`.
    private func sendRepeatedly<Answer: Sendable>(
        _ body: [UInt8], quoting texts: ArraySlice<String>, by deadline: Duration,
        read: @Sendable ([UInt8]) throws(UnusableResponse) -> Answer
    ) async throws -> Answer {
        var attempts = 0
        while true {
            try await waitForPause(by: deadline)
            attempts += 1
            do {
                let remaining = deadline - clock.elapsed()
                let timeout = min(configuration.attemptTimeout, max(remaining, .milliseconds(1)))
                let answer = try await attempt(body, quoting: texts, timeout: timeout, read: read)
                health.record(nil)
                return answer
            } catch let failure as ServiceFailure {
                if let asked = failure.retryAfter { sharedPause?.note(asked, at: clock.elapsed()) }
                let pause = pause(after: attempts, failure)
                let isLast =
                    !failure.isWorthRetrying || attempts >= configuration.maximumAttempts
                    || clock.elapsed() + pause >= deadline
                logger.log(
                    level: isLast ? .warning : .info, "a request to the \(purpose.noun) service failed",
                    metadata: [
                        "reason": "\(failure.error.message)", "attempt": "\(attempts)", "texts": "\(texts.count)",
                        "again": "\(!isLast)",
                    ])
                if isLast {
                    if failure.concernsService { health.record(failure.error.message) }
                    throw failure
                }
                try await clock.sleep(pause)
            }
        }
    }

    /// Why the service cannot be used, known from recent calls, or else from one short request, at
    /// most every five seconds; `nil` if it responds.
    ///
    /// - Parameters: as for ``send(_:quoting:by:read:)``.
    public func unavailability<Answer: Sendable>(
        probing body: [UInt8], quoting texts: ArraySlice<String>,
        read: @escaping @Sendable ([UInt8]) throws(UnusableResponse) -> Answer
    ) async -> String? {
        if let refusal = refusal() { return refusal.message }
        return await health.unavailability {
            do {
                let timeout = min(configuration.attemptTimeout, .seconds(5))
                _ = try await attempt(body, quoting: texts, timeout: timeout, read: read)
                health.record(nil)
            } catch {
                let failure = error as? ServiceFailure
                health.record(
                    failure?.error.message ?? "the \(purpose.noun) model \(model.configured) could not be called")
            }
        }
    }

    /// The pause that the service asked for. Otherwise a random time between half and all of a
    /// pause that doubles with each attempt, so that callers that failed together do not retry
    /// together.
    private func pause(after attempts: Int, _ failure: ServiceFailure) -> Duration {
        if let asked = failure.retryAfter { return asked }
        let whole = min(Self.longestPause, Self.firstPause * (1 << min(attempts - 1, 10)))
        return whole / 2 + whole / 2 * clock.chance()
    }

    /// One request.
    ///
    /// - Throws: ``ServiceFailure``; `CancellationError`.
    private func attempt<Answer: Sendable>(
        _ body: [UInt8], quoting texts: ArraySlice<String>, timeout: Duration,
        read: @Sendable ([UInt8]) throws(UnusableResponse) -> Answer
    ) async throws -> Answer {
        var headers: HTTPHeaders = ["Content-Type": "application/json", "Accept": "application/json"]
        if let field = endpoint.authentication { headers.append(field.name, field.value) }
        for field in configuration.headers { headers.append(field.name, field.value) }
        let response: HTTPClient.Response
        do {
            response = try await client.send(
                .init(method: .post, url: endpoint.url.text, headers: headers, body: body, timeout: timeout))
        } catch {
            if error.code == .cancelled { throw CancellationError() }
            throw ServiceFailure(error, model: model, purpose: purpose)
        }
        guard response.status == 200 else {
            throw ServiceFailure(
                response, model: model, purpose: purpose, texts: texts, secret: configuration.apiKey,
                now: clock.unixSeconds())
        }
        do {
            return try read(response.body)
        } catch {
            throw ServiceFailure(unusable: error.reason, model: model, purpose: purpose)
        }
    }
}
