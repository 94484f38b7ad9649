import Synchronization

#if canImport(Glibc)
    @preconcurrency import Glibc
#elseif canImport(Musl)
    @preconcurrency import Musl
#else
    import Darwin
#endif

/// Shows how far an export or an import is, on one line of a terminal; nothing elsewhere.
final class TransferProgress: Sendable {
    private let onTerminal = isatty(STDERR_FILENO) == 1
    private let start = ContinuousClock.now
    private let shown = Mutex<ContinuousClock.Instant?>(nil)

    /// - Parameters:
    ///   - records: that are done.
    ///   - total: `nil` if it is not known.
    ///   - sessions: that are done.
    func show(_ records: Int, of total: Int?, sessions: Int) {
        guard onTerminal else { return }
        let now = ContinuousClock.now
        let isDue = shown.withLock { shown in
            guard shown.map({ now - $0 >= .milliseconds(200) }) ?? true else { return false }
            shown = now
            return true
        }
        guard isDue else { return }
        let rate = Int(Double(records) / max(0.001, (now - start) / .seconds(1)))
        let all = total.map { " of \($0)" } ?? ""
        fputs("\r\u{1B}[K\(records)\(all) memories, \(sessions) sessions, \(rate) per second", stderr)
        fflush(stderr)
    }

    /// Removes the line.
    func end() {
        let isShown = shown.withLock { $0 != nil }
        if isShown { fputs("\r\u{1B}[K", stderr) }
    }
}
