import AgentMemory
import Synchronization

#if canImport(Glibc)
    @preconcurrency import Glibc
#elseif canImport(Musl)
    @preconcurrency import Musl
#else
    import Darwin
#endif

/// Shows the progress of the embedding on standard error: one line that changes on a terminal, a
/// line every two seconds elsewhere.
final class ReembedProgress: Sendable {
    private struct State {
        var lineIsOpen = false
        var first: (done: Int, time: ContinuousClock.Instant)?
        var shown: ContinuousClock.Instant?
        /// The latest state, shown after its interval or at the end.
        var latest: ReembeddingProgress?
    }

    private let onTerminal = isatty(STDERR_FILENO) == 1
    private let state = Mutex(State())

    func show(_ progress: ReembeddingProgress) {
        state.withLock { state in
            let now = ContinuousClock.now
            state.latest = progress
            if state.first == nil { state.first = (progress.done, now) }
            guard onTerminal || state.shown.map({ now - $0 >= .seconds(2) }) ?? true else { return }
            write(&state, now)
        }
    }

    /// A permanent line.
    func line(_ text: String) {
        end()
        put("\(text)\n")
    }

    /// Shows the last state, and ends the line.
    func end() {
        state.withLock { state in
            if state.latest != nil { write(&state, .now) }
            if state.lineIsOpen { put("\n") }
            state.lineIsOpen = false
        }
    }

    private func write(_ state: inout State, _ now: ContinuousClock.Instant) {
        guard let progress = state.latest else { return }
        state.latest = nil
        state.shown = now
        let text = Self.text(progress, since: state.first, now: now)
        put(onTerminal ? "\r\u{1B}[K\(text)" : "\(text)\n")
        state.lineIsOpen = onTerminal
    }

    private static func text(
        _ progress: ReembeddingProgress, since first: (done: Int, time: ContinuousClock.Instant)?,
        now: ContinuousClock.Instant
    ) -> String {
        var text = "\(progress.done) of \(progress.total) memories"
        if progress.total > 0 { text += " (\(progress.done * 100 / progress.total) %)" }
        if let first, progress.done > first.done, now > first.time {
            let rate = Double(progress.done - first.done) / ((now - first.time) / .seconds(1))
            text += ", \(Int(rate.rounded())) per second"
        }
        return text
    }

    private func put(_ text: String) {
        fputs(text, stderr)
        fflush(stderr)
    }
}
