import AgentMemory
import NIOPosix
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A child process that runs Python, with one end of a socket pair as its descriptor 3.
///
/// The kernel's report determines its end, not the end of the socket: a forked process may hold
/// that open for long.
final class PythonProcess: Sendable {
    let identifier: pid_t
    /// This side's end of the socket pair; its owner closes it.
    let socket: Int32

    private struct State {
        /// How it ended, once it has.
        var ending: String?
        var waiters: [@Sendable (String) -> Void] = []
    }

    private let state = Mutex(State())

    enum StartError: Error {
        /// The interpreter does not exist.
        case noInterpreter
        case system(String)
    }

    /// Starts `interpreter -c program` with the environment and the working folder of this process.
    /// Its output goes to this process's standard error.
    ///
    /// - Parameter interpreter: a path, or a name that is searched in PATH.
    /// - Throws: ``StartError``.
    init(interpreter: String, program: String) throws(StartError) {
        var ends: [Int32] = [-1, -1]
        #if canImport(Darwin)
            let kind = SOCK_STREAM
        #else
            let kind = Int32(SOCK_STREAM.rawValue)
        #endif
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw .system(Self.systemError(errno)) }
        defer { close(ends[1]) }
        // No other child of this process may hold this end open: its closing tells the child that
        // the server has ended.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }

        #if canImport(Darwin)
            var actions: posix_spawn_file_actions_t?
            var attributes: posix_spawnattr_t?
        #else
            var actions = posix_spawn_file_actions_t()
            var attributes = posix_spawnattr_t()
        #endif
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        // Through a high number first: descriptor 3 may be in use here, and a duplicate of itself
        // would stay closed on exec.
        posix_spawn_file_actions_adddup2(&actions, ends[1], 63)
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, 2, 1)
        posix_spawn_file_actions_adddup2(&actions, 63, 3)
        posix_spawn_file_actions_addclose(&actions, 63)
        // A process group of its own, so that Ctrl-C ends the server first, which then ends this
        // process in order. Signals are unblocked, because they are blocked on the threads that
        // start it.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))

        let words = [interpreter, "-c", program]
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { word in strdup(word) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var identifier: pid_t = 0
        let status = posix_spawnp(&identifier, interpreter, &actions, &attributes, arguments, environ)
        guard status == 0 else {
            close(ends[0])
            throw status == ENOENT ? .noInterpreter : .system(Self.systemError(status))
        }
        self.identifier = identifier
        socket = ends[0]
        // A separate thread, which waits for as long as the process runs.
        let watcher = NIOThreadPool(numberOfThreads: 1)
        watcher.start()
        watcher.submit { [self] _ in
            awaitEnd()
            watcher.shutdownGracefully { _ in }
        }
    }

    /// Kills the process and its group at once.
    func kill() {
        // Under the lock, and only before it is reaped: later, the number may be another process's.
        state.withLock { state in
            if state.ending == nil { signalGroup(SIGKILL) }
        }
    }

    /// Calls `body` with how the process ended, such as `exit status 1` or `signal 9`, once it has.
    func whenEnded(_ body: @escaping @Sendable (String) -> Void) {
        let ending = state.withLock { state in
            if state.ending == nil { state.waiters.append(body) }
            return state.ending
        }
        if let ending { body(ending) }
    }

    /// How the process ended, once it has.
    func ending() async -> String {
        await withCheckedContinuation { continuation in
            whenEnded { continuation.resume(returning: $0) }
        }
    }

    /// Waits for the end of the process, kills the rest of its group, and reaps it.
    private func awaitEnd() {
        var information = siginfo_t()
        while waitid(P_PID, id_t(identifier), &information, WEXITED | WNOWAIT) < 0, errno == EINTR {}
        let (ending, waiters) = state.withLock { state in
            // Not reaped yet, so its number, which is the group's, is still valid.
            signalGroup(SIGKILL)
            var status: Int32 = 0
            var collected = waitpid(identifier, &status, 0)
            while collected < 0, errno == EINTR { collected = waitpid(identifier, &status, 0) }
            let signal = status & 0x7F
            let ending =
                collected < 0
                ? "an unknown status" : signal == 0 ? "exit status \((status >> 8) & 0xFF)" : "signal \(signal)"
            state.ending = ending
            defer { state.waiters = [] }
            return (ending, state.waiters)
        }
        for waiter in waiters { waiter(ending) }
    }

    private func signalGroup(_ number: Int32) {
        #if canImport(Glibc)
            _ = Glibc.kill(-identifier, number)
        #elseif canImport(Musl)
            _ = Musl.kill(-identifier, number)
        #else
            _ = Darwin.kill(-identifier, number)
        #endif
    }

    private static func systemError(_ number: Int32) -> String {
        strerror(number).map { String(cString: $0) } ?? "error \(number)"
    }
}
