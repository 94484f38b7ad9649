public import AgentMemory
public import Logging
public import ServiceLifecycle
import Synchronization

/// What language models have used, of all servers on a store and across their restarts: each
/// server adds what is new to documents.
///
/// A server that is killed loses what it has not added, that of ``interval`` at most.
public final class UsageLedger: Service {
    /// How often a server adds what is new.
    public static let interval = Duration.seconds(10)

    private static let pageSize = 1000

    private let models: [any LanguageModel]
    private let documents: any DocumentStore
    private let logger: Logger
    /// What was added already.
    private let added = Mutex<[Key: LanguageUsage]>([:])

    private struct Key: Hashable {
        let model: ExactString
        let task: LanguageTask
        let namespace: ExactString?

        init(_ usage: LanguageUsage) {
            model = ExactString(usage.model)
            task = usage.task
            namespace = usage.namespace.map(ExactString.init)
        }

        var document: DocumentKey {
            let parts = [model.value, task.rawValue] + [namespace?.value].compactMap(\.self)
            return DocumentKey(.usage, Fingerprint.of(parts, length: 40))
        }
    }

    /// - Parameters:
    ///   - models: each once.
    ///   - documents: keeps the sums.
    ///   - logger: gets the reason if they cannot be kept.
    public init(_ models: [any LanguageModel], documents: any DocumentStore, logger: Logger) {
        self.models = models
        self.documents = documents
        self.logger = logger
    }

    public func run() async throws {
        var isFailing = false
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            try? await cancelWhenGracefulShutdown { try await Task.sleep(for: Self.interval) }
            do {
                try await add()
                isFailing = false
            } catch {
                if !isFailing {
                    logger.warning("the usage of language models was not kept", metadata: ["error": "\(error)"])
                }
                isFailing = true
            }
        }
    }

    /// The sums that a caller may see, by model, task and namespace.
    func usage(for caller: Caller) async throws -> [LanguageUsage] {
        try await add()
        var sums: [LanguageUsage] = []
        try await AccessScope.everything.limiting {
            var offset: Int? = 0
            while let from = offset {
                let page = try await documents.documents(
                    .usage, of: "", within: .everything, page: try PageRequest(limit: Self.pageSize, offset: from))
                sums += try page.items.map { try LanguageUsage($0.document) }
                offset = page.items.isEmpty ? nil : page.nextOffset
            }
        }
        return sums.filter { caller.scope.namespaces.contains($0.namespace) }
            .sorted { a, b in
                func order(_ usage: LanguageUsage) -> [ExactString] {
                    [usage.model, usage.task.rawValue, usage.namespace ?? ""].map(ExactString.init)
                }
                return order(a).lexicographicallyPrecedes(order(b))
            }
    }

    /// Adds what the models of this server have used since the last time.
    func add() async throws {
        for usage in models.flatMap(\.usage) {
            let key = Key(usage)
            // Taken before it is written, so that two calls do not add the same.
            let new = added.withLock { added in
                let new = added[key].map { usage - $0 } ?? usage
                added[key] = usage
                return new
            }
            guard new.calls > 0 else { continue }
            do {
                try await add(new, to: key.document)
            } catch {
                added.withLock { $0[key] = $0[key].map { $0 - new } }
                throw error
            }
        }
    }

    private func add(_ new: LanguageUsage, to key: DocumentKey) async throws {
        try await AccessScope.everything.limiting {
            while true {
                let stored = try await documents.document(key)
                let sum = try stored.map { try LanguageUsage($0.document) + new } ?? new
                let revision = try await documents.write(
                    sum.document(key), expecting: stored.map { .revision($0.revision) } ?? .absent, keptFor: nil)
                if revision != nil { return }
            }
        }
    }
}

extension LanguageUsage {
    fileprivate static func + (a: LanguageUsage, b: LanguageUsage) -> LanguageUsage {
        LanguageUsage(
            model: a.model, task: a.task, namespace: a.namespace, calls: a.calls + b.calls,
            failures: a.failures + b.failures, tokens: a.tokens + b.tokens)
    }

    /// What has been used since `b`.
    fileprivate static func - (a: LanguageUsage, b: LanguageUsage) -> LanguageUsage {
        LanguageUsage(
            model: a.model, task: a.task, namespace: a.namespace, calls: a.calls - b.calls,
            failures: a.failures - b.failures,
            tokens: TokenCount(input: a.tokens.input - b.tokens.input, output: a.tokens.output - b.tokens.output))
    }

    fileprivate func document(_ key: DocumentKey) -> Document {
        Document(
            key, namespace: namespace, userID: nil,
            body: [
                "model": .string(model), "task": .string(task.rawValue), "calls": .int(calls),
                "failures": .int(failures), "input": .int(tokens.input), "output": .int(tokens.output),
            ])
    }

    /// Reads ``document(_:)``.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` for anything else.
    fileprivate init(_ document: Document) throws(MemoryError) {
        let reader = MemberReader(.object(document.body), of: "the usage of a language model")
        self.init(
            model: try reader.required("model", \.stringValue),
            task: try reader.required("task") { $0.stringValue.flatMap(LanguageTask.init) },
            namespace: document.namespace, calls: try reader.required("calls", \.intValue),
            failures: try reader.required("failures", \.intValue),
            tokens: TokenCount(
                input: try reader.required("input", \.intValue), output: try reader.required("output", \.intValue)))
    }
}
