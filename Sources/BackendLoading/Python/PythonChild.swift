import AgentMemory
import BackendProtocol
import Logging
import NIOCore
import NIOPosix

/// One running Python program with the user's backend, from its start to its end.
final class PythonChild: Sendable {
    let description: BackendDescription

    private let process: PythonProcess
    private let channel: any Channel

    private init(process: PythonProcess, channel: any Channel, description: BackendDescription) {
        self.process = process
        self.channel = channel
        self.description = description
    }

    /// Starts the program, and has it create the backend.
    ///
    /// - Parameters:
    ///   - setting: the value of the factory setting, for errors.
    ///   - limit: how long importing the module and creating the backend may take together.
    ///   - receive: gets later messages of the program, in their order; must not block.
    /// - Throws: ``BackendFactoryError``: one of the four failures.
    static func start(
        factory: String, setting: String, settings: BackendSettings, interpreter: String, within limit: Duration,
        receive: @escaping @Sendable (PythonMessage, @escaping @Sendable ([UInt8]) -> Void) -> Void, logger: Logger
    ) async throws(BackendFactoryError) -> PythonChild {
        let process: PythonProcess
        do {
            process = try PythonProcess(interpreter: interpreter, program: PythonProgram.bootstrap)
        } catch {
            switch error {
            case .noInterpreter:
                throw BackendFactoryError(
                    .importError, setting: setting, field: .python,
                    "there is no Python interpreter \(interpreter). Install one, or name yours.")
            case .system(let reason):
                throw BackendFactoryError(
                    .importError, setting: setting,
                    "the Python interpreter \(interpreter) could not be started: \(reason)")
            }
        }
        let (frames, continuation) = AsyncStream<ByteBuffer>.makeStream()
        let channel: any Channel
        do {
            channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandlers(
                            ByteToMessageHandler(FrameDecoder()), FrameReceiver(continuation))
                    }
                }.withConnectedSocket(process.socket).get()
        } catch {
            process.kill()
            _ = await process.ending()
            throw BackendFactoryError(
                .importError, setting: setting, "the Python interpreter could not be reached: \(error)")
        }
        let send: @Sendable ([UInt8]) -> Void = { json in
            channel.writeAndFlush(FrameEncoder.frame(json, allocator: channel.allocator), promise: nil)
        }
        send(PythonFrame.modules(PythonProgram.modules, main: PythonProgram.main))
        send(PythonFrame.start(factory: factory, settings: settings))

        let (starts, started) = AsyncStream<Result<BackendDescription, BackendFactoryError>>.makeStream()
        // Lives as long as the stream does: until the program ends.
        Task {
            for await frame in frames {
                let message: PythonMessage
                do {
                    message = try PythonMessage(try JSONValue(fromBorder: frame.readableBytesView))
                } catch {
                    logger.warning(
                        "the Python program sent a frame that cannot be read",
                        metadata: ["backend": "\(factory)", "error": "\(error)"])
                    // A description is not sent twice, so waiting for it would be in vain.
                    if let error = error as? MemoryError, error.code == .misconfigured {
                        started.yield(
                            .failure(BackendFactoryError(.invalidReturnType, setting: setting, error.message)))
                    }
                    continue
                }
                switch message {
                case .started(let description): started.yield(.success(description))
                case .refused(let code, let reason):
                    started.yield(.failure(BackendFactoryError(code, setting: setting, reason)))
                case .answer, .embed, .log: receive(message, send)
                }
            }
            started.finish()
        }
        let timer = Task {
            try await Task.sleep(for: limit)
            started.yield(
                .failure(
                    BackendFactoryError(
                        .runtimeError, setting: setting, "\(factory) has not made a backend within \(limit)")))
        }
        defer { timer.cancel() }
        // The stream of frames ends soon after the program, unless a forked process keeps it open.
        let ends = Self.ends(of: process, channel)
        let watch = Task {
            for await _ in ends {}
            if !Task.isCancelled { started.finish() }
        }
        defer { watch.cancel() }
        var outcome: Result<BackendDescription, BackendFactoryError>?
        for await result in starts {
            outcome = result
            break
        }
        if case .success(let description) = outcome {
            return PythonChild(process: process, channel: channel, description: description)
        }
        process.kill()
        let status = await process.ending()
        channel.close(promise: nil)
        if case .failure(let error) = outcome { throw error }
        throw BackendFactoryError(
            .runtimeError, setting: setting,
            "the Python interpreter \(interpreter) ended with \(status) before \(factory) had made a backend. Its output is above."
        )
    }

    func send(_ json: [UInt8]) {
        channel.writeAndFlush(FrameEncoder.frame(json, allocator: channel.allocator), promise: nil)
    }

    /// Waits until the program has ended, or cannot be reached any more; returns early if the task
    /// is cancelled.
    func waitForEnd() async {
        for await _ in Self.ends(of: process, channel) {}
    }

    /// Ends once the program has ended and its last messages have been read, or once it cannot be
    /// reached any more.
    private static func ends(of process: PythonProcess, _ channel: any Channel) -> AsyncStream<Never> {
        let (ends, continuation) = AsyncStream<Never>.makeStream()
        channel.closeFuture.whenComplete { _ in continuation.finish() }
        process.whenEnded { _ in
            _ = channel.eventLoop.scheduleTask(in: lastWordsLimit) { continuation.finish() }
        }
        return ends
    }

    /// Time limit for reading the messages of an ended program.
    private static let lastWordsLimit: TimeAmount = .milliseconds(500)

    /// Waits for the end of the program, which cannot be reached any more, and kills it if
    /// necessary.
    ///
    /// - Returns: how it ended, such as `signal 9`.
    func collect() async -> String {
        process.kill()
        channel.close(promise: nil)
        return await process.ending()
    }

    /// Asks the program to end, and kills it if that takes longer than `limit`.
    func close(within limit: Duration) async {
        send(PythonFrame.close())
        let timer = Task { [process] in
            try await Task.sleep(for: limit)
            process.kill()
        }
        await waitForEnd()
        timer.cancel()
    }
}
