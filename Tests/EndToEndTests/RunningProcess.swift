import Foundation
import Synchronization

/// A child process with its output (both streams together) gathered.
final class RunningProcess: Sendable {
    private let text = Mutex("")
    private let status = Mutex<Int32?>(nil)
    private let ended: AsyncStream<Void>
    private let identifier = Mutex<Int32>(0)
    /// A value whenever there is new output, until the process closes it.
    let outputChanges: AsyncStream<Void>

    private init(ended: AsyncStream<Void>, outputChanges: AsyncStream<Void>) {
        self.ended = ended
        self.outputChanges = outputChanges
    }

    var output: String { text.withLock(\.self) }
    var processIdentifier: Int32 { identifier.withLock(\.self) }

    /// - Parameters:
    ///   - environment: on top of this process's own, without what would configure a server.
    ///   - folder: where it runs.
    static func start(
        _ executable: URL, _ arguments: [String], environment: [String: String] = [:],
        in folder: URL = FileManager.default.temporaryDirectory
    ) async throws -> RunningProcess {
        let (ended, endedContinuation) = AsyncStream<Void>.makeStream()
        let (changes, changesContinuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let running = RunningProcess(ended: ended, outputChanges: changes)
        let inherited = ProcessInfo.processInfo.environment.filter { name, _ in
            ["PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR", "LANG"].contains(name)
        }
        let merged = inherited.merging(environment) { $1 }
        return try await withCheckedThrowingContinuation { continuation in
            // A thread of its own: those of the cooperative pool block SIGTERM, and a child
            // inherits their mask.
            Thread {
                let process = Process()
                process.executableURL = executable
                process.arguments = arguments
                process.environment = merged
                process.currentDirectoryURL = folder
                let pipe = Pipe()
                process.standardOutput = pipe
                process.standardError = pipe
                process.standardInput = FileHandle.nullDevice
                process.terminationHandler = { process in
                    running.status.withLock { $0 = process.terminationStatus }
                    endedContinuation.finish()
                }
                do {
                    try process.run()
                } catch {
                    return continuation.resume(throwing: error)
                }
                running.identifier.withLock { $0 = process.processIdentifier }
                continuation.resume(returning: running)
                // Read right here: a handler of Foundation's, ended while its pipe closes, has
                // crashed the dispatch library.
                while case let data = pipe.fileHandleForReading.availableData, !data.isEmpty {
                    running.text.withLock { $0 += String(decoding: data, as: UTF8.self) }
                    changesContinuation.yield()
                }
                changesContinuation.finish()
            }.start()
        }
    }

    func signal(_ number: Int32) {
        let identifier = identifier.withLock(\.self)
        if identifier > 0, status.withLock({ $0 == nil }) { kill(identifier, number) }
    }

    /// Waits for the end. The output may stay open in a process that was started at the same
    /// moment.
    func end() async {
        for await _ in ended {}
    }

    /// Waits for the end, with the output complete unless a process that this one has left behind
    /// holds it open.
    func exitStatus() async -> Int32 {
        for await _ in ended {}
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in self.outputChanges {} }
            group.addTask { try? await Task.sleep(for: .seconds(2)) }
            await group.next()
            group.cancelAll()
        }
        return status.withLock { $0 ?? -1 }
    }
}
