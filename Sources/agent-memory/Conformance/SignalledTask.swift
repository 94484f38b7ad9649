import ArgumentParser
import UnixSignals

#if canImport(Glibc)
    @preconcurrency import Glibc
#elseif canImport(Musl)
    @preconcurrency import Musl
#else
    import Darwin
#endif

/// Runs `body`, and cancels it at the first SIGINT or SIGTERM, so that it can clean up; the second
/// ends the process.
///
/// - Parameter notice: shown at the first signal.
func endingOnSignals<Value: Sendable>(
    _ notice: String = "the current scope is being removed", _ body: @escaping @Sendable () async -> Value
) async -> Value {
    let work = Task { await body() }
    let watch = Task {
        var seen = 0
        for await signal in await UnixSignalsSequence(trapping: .sigint, .sigterm) {
            seen += 1
            if seen > 1 { exit(128 + (signal == .sigint ? SIGINT : SIGTERM)) }
            fputs("\nending: \(notice) (once more to stop at once)\n", stderr)
            work.cancel()
        }
    }
    let value = await work.value
    watch.cancel()
    return value
}

/// Runs the work of a command as ``endingOnSignals(_:_:)`` does.
///
/// - Parameters:
///   - notice: shown at the first signal.
///   - interrupted: shown when the work has ended by one; default: nothing.
/// - Throws: `ExitCode` 130 after a signal; what `body` throws, as a ``Refusal`` where it is one.
func runEndingOnSignals(
    _ notice: String, interrupted: String? = nil, _ body: @escaping @Sendable () async throws -> Void
) async throws {
    let outcome = await endingOnSignals(notice) { () async -> Result<Void, any Error> in
        do {
            try await body()
            return .success(())
        } catch {
            return .failure(error)
        }
    }
    switch outcome {
    case .success: return
    case .failure(is CancellationError):
        if let interrupted { fputs("interrupted: \(interrupted)\n", stderr) }
        throw ExitCode(130)
    case .failure(let error): throw Refusal(error) ?? error
    }
}
