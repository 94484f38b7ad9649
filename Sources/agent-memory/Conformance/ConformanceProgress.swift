import MemoryConformance
import Synchronization

#if canImport(Glibc)
    @preconcurrency import Glibc
#elseif canImport(Musl)
    @preconcurrency import Musl
#else
    import Darwin
#endif

/// Shows the progress of a run on standard error: one line that changes on a terminal, a line for
/// every check elsewhere.
final class ConformanceProgress: Sendable {
    private let several: Bool
    private let onTerminal = isatty(STDERR_FILENO) == 1
    private let lineIsOpen = Mutex(false)

    /// - Parameter several: whether lines must name their backend.
    init(several: Bool) {
        self.several = several
    }

    func tell(_ event: ConformanceRun.Event) {
        switch event {
        case .began(let backend, let versions, let checks):
            line("\(backend)\(versions.isEmpty ? "" : " (\(versions.joined(separator: "; ")))"): \(checks) checks")
        case .starting(let check, let backend, let number, let count):
            if onTerminal { show("[\(number)/\(count)] \(several ? "\(backend) " : "")\(check.id)") }
        case .finished(let result, let verdict, let number, let count):
            if onTerminal, verdict == .passed || verdict == .notApplicable { return }
            let seconds =
                Double(result.duration.components.seconds)
                + Double(result.duration.components.attoseconds) / 1e18
            let rounded = (seconds * 100).rounded() / 100
            line(
                "[\(number)/\(count)] \(several ? "\(result.backend) " : "")\(result.check.id): \(verdict.rawValue) (\(rounded) s)"
            )
        }
    }

    /// Ends a line that is still open.
    func end() {
        show("")
    }

    private func line(_ text: String) {
        show("")
        write("\(text)\n")
    }

    /// Replaces the open line of a terminal.
    private func show(_ text: String) {
        lineIsOpen.withLock { open in
            if open { write("\r\u{1B}[K") }
            if !text.isEmpty { write(text) }
            open = !text.isEmpty
        }
    }

    private func write(_ text: String) {
        fputs(text, stderr)
        fflush(stderr)
    }
}
