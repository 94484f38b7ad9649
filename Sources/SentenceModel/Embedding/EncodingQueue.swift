import AgentMemory
import Synchronization
import SystemThreads

/// What a model computes on one of its threads, a portion of a call at a time.
protocol PortionEncoder: Sendable {
    /// Such as a text.
    associatedtype Input: Sendable
    /// Such as its vector.
    associatedtype Output: Sendable

    /// To be called once on each thread that calls ``results(of:_:)``.
    func prepareThread()

    /// One for each input, in their order.
    func results(of inputs: [Input], _ scratch: EncoderScratch) -> [Output]

    /// For sharing inputs out only.
    static func estimatedTokens(_ input: Input) -> Int
}

/// The texts that wait for the model, and the threads that compute.
///
/// Threads take some texts of one call at a time, and the calls take turns: a query waits for one
/// such portion of each call before it, not for an import of thousands of texts to end.
final class EncodingQueue<Encoder: PortionEncoder>: Sendable {
    /// One call.
    private struct Call {
        let texts: [Encoder.Input]
        /// Tokens, roughly, that a thread takes at a time.
        let portion: Int
        var results: [Encoder.Output?]
        /// The first text that no thread has taken.
        var next = 0
        var missing: Int
        let continuation: CheckedContinuation<[Encoder.Output], any Error>
    }

    enum Phase: Sendable, Equatable {
        case unloaded
        case loading
        case loaded
        case failed(String)
    }

    private struct State {
        var calls: [Int: Call] = [:]
        /// Ids of the calls with texts that no thread has taken, in turn.
        var turns: [Int] = []
        var phase = Phase.unloaded
        /// Whether the model is wanted before there is a text.
        var isEager: Bool
        var engine: Encoder?
        var lastID = 0
        var hasEnded = false
    }

    private enum Work {
        case load
        case texts([Encoder.Input], call: Int, first: Int, Encoder)
        case end
    }

    /// A portion is large enough for the products to be quick, and small enough to take turns.
    private static var portions: ClosedRange<Int> { 48...192 }
    /// Calls beyond this number are refused: they would exceed their deadlines.
    private static var maximumCalls: Int { 1024 }

    private let monitor: Monitor<State>
    private let threads: Int
    private let name: String
    private let noun: String

    /// - Parameters:
    ///   - name: Of the model, for messages.
    ///   - noun: Completes "the … model" in messages, such as "embedding".
    ///   - threads: That compute.
    ///   - threadsName: How messages name the number of threads.
    ///   - isEager: Whether the model is loaded now, not with the first text.
    ///   - load: Runs on one of the threads.
    /// - Throws: ``MemoryError`` with code `misconfigured` if the system makes no threads.
    init(
        name: String, noun: String, threads: Int, threadsName: String, isEager: Bool,
        load: @escaping @Sendable () throws(MemoryError) -> Encoder
    ) throws(MemoryError) {
        self.name = name
        self.noun = noun
        self.threads = threads
        let monitor = Monitor(State(isEager: isEager))
        self.monitor = monitor
        for _ in 0..<threads where !SystemThread.start({ Self.work(monitor, load) }) {
            end()
            throw MemoryError(
                .misconfigured,
                "the system cannot start a thread for the \(noun) model; \(threadsName) is \(threads)")
        }
    }

    var phase: Phase { monitor.withLock { $0.phase } }

    /// Texts that no thread has taken yet.
    var waitingTexts: Int {
        monitor.withLock { state in state.calls.values.reduce(0) { $0 + $1.texts.count - $1.next } }
    }

    /// Lets the threads end after their current work; waiting calls fail.
    func end() {
        let continuations = monitor.change { state in
            state.hasEnded = true
            state.turns = []
            defer { state.calls = [:] }
            return state.calls.values.map(\.continuation)
        }
        for continuation in continuations { continuation.resume(throwing: CancellationError()) }
    }

    /// - Throws: ``MemoryError`` with code `embeddingFailed` or `timedOut`; `CancellationError`.
    func results(of texts: [Encoder.Input], within limit: Duration) async throws -> [Encoder.Output] {
        try Task.checkCancellation()
        guard !texts.isEmpty else { return [] }
        let id = monitor.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        let deadline = ContinuousClock.now + limit
        let timer = Mutex<Task<Void, any Error>?>(nil)
        defer { timer.withLock(\.self)?.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                enqueue(id, texts, continuation)
                // Started only now: a timer that ends before the call is in the queue would not
                // find it.
                timer.withLock {
                    $0 = Task {
                        try await Task.sleep(until: deadline, clock: .continuous)
                        let error = MemoryError(.timedOut, "the \(noun) model \(name) did not respond within \(limit)")
                        remove(id)?.resume(throwing: error)
                    }
                }
            }
        } onCancel: {
            remove(id)?.resume(throwing: CancellationError())
        }
    }

    private func enqueue(
        _ id: Int, _ texts: [Encoder.Input], _ continuation: CheckedContinuation<[Encoder.Output], any Error>
    ) {
        let total = texts.reduce(0) { $0 + Encoder.estimatedTokens($1) }
        let refusal: (any Error)? = monitor.change { state in
            if case .failed(let reason) = state.phase { return MemoryError(.embeddingFailed, reason) }
            // The handler may have run before there was anything to cancel.
            if Task.isCancelled || state.hasEnded { return CancellationError() }
            guard state.calls.count < Self.maximumCalls else {
                return MemoryError(
                    .embeddingFailed, "the \(noun) model \(name) already has \(Self.maximumCalls) calls waiting")
            }
            state.calls[id] = Call(
                texts: texts, portion: min(max(total / threads, Self.portions.lowerBound), Self.portions.upperBound),
                results: [Encoder.Output?](repeating: nil, count: texts.count), missing: texts.count,
                continuation: continuation)
            state.turns.append(id)
            return nil
        }
        if let refusal { continuation.resume(throwing: refusal) }
    }

    /// Drops a call that is no longer needed.
    private func remove(_ id: Int) -> CheckedContinuation<[Encoder.Output], any Error>? {
        monitor.withLock { state in
            state.turns.removeAll { $0 == id }
            return state.calls.removeValue(forKey: id)?.continuation
        }
    }

    // MARK: What a thread does

    private static func work(
        _ monitor: Monitor<State>, _ load: @Sendable () throws(MemoryError) -> Encoder
    ) {
        let scratch = EncoderScratch()
        var isPrepared = false
        while true {
            switch monitor.wait(for: { next(&$0) }) {
            case .end: return
            case .load:
                do throws(MemoryError) {
                    let engine = try load()
                    monitor.change { state in
                        state.engine = engine
                        state.phase = .loaded
                    }
                } catch {
                    fail(monitor, error)
                }
            case .texts(let texts, let call, let first, let engine):
                if !isPrepared {
                    engine.prepareThread()
                    isPrepared = true
                }
                store(engine.results(of: texts, scratch), monitor, call: call, first: first)
            }
        }
    }

    private static func next(_ state: inout State) -> Work? {
        if state.hasEnded { return .end }
        if state.phase == .unloaded, state.isEager || !state.turns.isEmpty {
            state.phase = .loading
            return .load
        }
        guard let engine = state.engine, let id = state.turns.first, let call = state.calls[id] else { return nil }
        state.turns.removeFirst()
        var end = call.next
        var tokens = 0
        repeat {
            tokens += Encoder.estimatedTokens(call.texts[end])
            end += 1
        } while end < call.texts.count && tokens + Encoder.estimatedTokens(call.texts[end]) <= call.portion
        state.calls[id]?.next = end
        if end < call.texts.count { state.turns.append(id) }
        return .texts(Array(call.texts[call.next..<end]), call: id, first: call.next, engine)
    }

    private static func store(_ results: [Encoder.Output], _ monitor: Monitor<State>, call id: Int, first: Int) {
        let done: Call? = monitor.withLock { state in
            // None if it was cancelled meanwhile.
            guard state.calls[id] != nil else { return nil }
            for (offset, result) in results.enumerated() { state.calls[id]?.results[first + offset] = result }
            state.calls[id]?.missing -= results.count
            return state.calls[id]?.missing == 0 ? state.calls.removeValue(forKey: id) : nil
        }
        done?.continuation.resume(returning: done?.results.compactMap(\.self) ?? [])
    }

    private static func fail(_ monitor: Monitor<State>, _ error: MemoryError) {
        let continuations = monitor.change { state in
            state.phase = .failed(error.message)
            state.turns = []
            defer { state.calls = [:] }
            return state.calls.values.map(\.continuation)
        }
        for continuation in continuations {
            continuation.resume(throwing: MemoryError(.embeddingFailed, error.message, underlying: error.underlying))
        }
    }
}
