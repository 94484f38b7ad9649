import UnixSignals

#if canImport(Glibc)
    @preconcurrency import Glibc
#elseif canImport(Musl)
    @preconcurrency import Musl
#else
    import Darwin
#endif

/// Runs `body`, and cancels it at the first SIGINT or SIGTERM, so that it can tidy up; the second ends the process.
func endingOnSignals<Value: Sendable>(_ body: @escaping @Sendable () async -> Value) async -> Value {
    let work = Task { await body() }
    let watch = Task {
        var seen = 0
        for await signal in await UnixSignalsSequence(trapping: .sigint, .sigterm) {
            seen += 1
            if seen > 1 { exit(128 + (signal == .sigint ? SIGINT : SIGTERM)) }
            fputs("\nending: the scope at hand is being removed (once more to stop at once)\n", stderr)
            work.cancel()
        }
    }
    let value = await work.value
    watch.cancel()
    return value
}
