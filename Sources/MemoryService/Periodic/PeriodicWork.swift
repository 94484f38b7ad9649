public import AgentMemory
public import Logging
public import ServiceLifecycle

/// Turns that one server of all on a store takes at intervals.
///
/// The server that writes the mark of a turn has it; the mark expires when the next turn is due. A
/// server that dies right after it took a turn leaves it out.
public struct Turns: Sendable {
    private let documents: any DocumentStore

    public init(documents: any DocumentStore) {
        self.documents = documents
    }

    /// - Parameters:
    ///   - name: of what is done, at most 512 bytes.
    ///   - seconds: between two turns, at least 1.
    ///   - namespace: whose work it is; with `userID`.
    /// - Returns: whether this server has the turn.
    func take(_ name: String, every seconds: Int, namespace: String? = nil, userID: String? = nil) async throws -> Bool
    {
        let mark = Document(DocumentKey(.schedule, name), namespace: namespace, userID: userID, body: [:])
        return try await OwnLook.run {
            try await AccessScope.everything.limiting {
                try await documents.write(mark, expecting: .absent, keptFor: seconds) != nil
            }
        }
    }

    /// Keeps a turn for a while longer.
    ///
    /// - Parameters:
    ///   - name: as in ``take(_:every:namespace:userID:)``.
    ///   - seconds: from now on, at least 1.
    func renew(_ name: String, seconds: Int) async throws {
        let mark = Document(DocumentKey(.schedule, name), namespace: nil, userID: nil, body: [:])
        try await AccessScope.everything.limiting {
            _ = try await documents.write(mark, expecting: .anything, keptFor: seconds)
        }
    }
}

/// Starts what is done at intervals, once in a deployment however many servers there are.
public struct PeriodicWork: Service {
    /// Something that is done at intervals.
    public struct Entry: Sendable {
        let name: String
        /// Looks whether it is due.
        let start: @Sendable () async throws -> Void

        /// - Parameters:
        ///   - name: for logs.
        ///   - start: takes its own turns.
        init(_ name: String, start: @escaping @Sendable () async throws -> Void) {
            self.name = name
            self.start = start
        }
    }

    private let entries: [Entry]
    private let isQuiet: @Sendable () -> Bool
    private let logger: Logger

    /// How often this server looks for what is due, in seconds: a small part of every interval,
    /// which is a minute at least.
    private static let pause = 15
    /// How often it looks in a quiet time.
    private static let quietPause: Duration = .seconds(3600)

    /// - Parameters:
    ///   - entries: what is done.
    ///   - isQuiet: whether the store of the turns is to be left alone.
    ///   - logger: gets failures.
    public init(_ entries: [Entry], isQuiet: @escaping @Sendable () -> Bool, logger: Logger) {
        self.entries = entries
        self.isQuiet = isQuiet
        self.logger = logger
    }

    public func run() async throws {
        try? await cancelWhenGracefulShutdown {
            var last: ContinuousClock.Instant?
            while true {
                if !isQuiet() || last.map({ $0 + Self.quietPause <= .now }) ?? true {
                    last = .now
                    for entry in entries { await start(entry) }
                }
                try await Task.sleep(for: .seconds(Self.pause))
            }
        }
    }

    private func start(_ entry: Entry) async {
        do {
            try await entry.start()
        } catch let error as MemoryError {
            logger.warning("periodic work was not started", metadata: ["work": "\(entry.name)", "error": "\(error)"])
        } catch {
            // The server is shutting down.
        }
    }
}
