import Synchronization

/// What takes the bytes of an export, in their order.
public protocol ExportSink: Sendable {
    /// Returns when the next bytes may come.
    func write(_ bytes: [UInt8]) async throws
}

/// Passes bytes from a task that writes to one that reads. A writer waits until the reader has
/// taken what it wrote, so that at most one piece is in memory.
public final class PieceChannel: ExportSink {
    private struct State {
        var piece: [UInt8]?
        var writer: CheckedContinuation<Void, any Error>?
        var reader: CheckedContinuation<[UInt8]?, any Error>?
        /// How the writing ended.
        var end: Result<Void, any Error>?
        /// The reader takes no more, or one of the tasks was cancelled.
        var isCancelled = false
    }

    private let state = Mutex(State())

    public init() {}

    /// - Throws: `CancellationError` if the reader takes no more.
    public func write(_ bytes: [UInt8]) async throws {
        guard !bytes.isEmpty else { return }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                enum Turn {
                    case wait, cancelled
                    case hand(CheckedContinuation<[UInt8]?, any Error>)
                }
                let turn: Turn = state.withLock { state in
                    if state.isCancelled { return .cancelled }
                    if let reader = state.reader {
                        state.reader = nil
                        return .hand(reader)
                    }
                    (state.piece, state.writer) = (bytes, continuation)
                    return .wait
                }
                switch turn {
                case .wait: break
                case .cancelled: continuation.resume(throwing: CancellationError())
                case .hand(let reader):
                    reader.resume(returning: bytes)
                    continuation.resume()
                }
            }
        } onCancel: {
            cancel()
        }
    }

    /// The next bytes; `nil` at the end.
    ///
    /// - Throws: the error with which the writing ended.
    public func next() async throws -> [UInt8]? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<[UInt8]?, any Error>) in
                enum Answer {
                    case wait
                    case piece([UInt8], CheckedContinuation<Void, any Error>?)
                    case end(Result<Void, any Error>)
                }
                let answer: Answer = state.withLock { state in
                    if let piece = state.piece {
                        defer { (state.piece, state.writer) = (nil, nil) }
                        return .piece(piece, state.writer)
                    }
                    if let end = state.end { return .end(end) }
                    if state.isCancelled { return .end(.failure(CancellationError())) }
                    state.reader = continuation
                    return .wait
                }
                switch answer {
                case .wait: break
                case .piece(let piece, let writer):
                    writer?.resume()
                    continuation.resume(returning: piece)
                case .end(let end): continuation.resume(with: end.map { _ in nil })
                }
            }
        } onCancel: {
            cancel()
        }
    }

    /// No more bytes come.
    ///
    /// - Parameter end: a failure is what the reader gets.
    public func finish(_ end: Result<Void, any Error>) {
        let reader = state.withLock { state in
            state.end = state.end ?? end
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume(with: end.map { _ in nil })
    }

    /// Ends the writing and the reading.
    public func cancel() {
        let (writer, reader) = state.withLock { state in
            state.isCancelled = true
            state.piece = nil
            defer { (state.writer, state.reader) = (nil, nil) }
            return (state.writer, state.reader)
        }
        writer?.resume(throwing: CancellationError())
        reader?.resume(throwing: CancellationError())
    }
}
