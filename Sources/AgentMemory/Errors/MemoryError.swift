/// The one error type that crosses module borders: what went wrong, where in the input, and why, in
/// words that are safe to show to a client.
///
/// `message` never holds a secret or a stored text: it is what REST responds and what logs print.
/// The details that a driver reported go to `underlying`, which only logs show.
public struct MemoryError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure this is; a transport maps each to one status.
    public enum Code: String, Sendable, CaseIterable {
        /// A value of the request is not acceptable; `path` names it. REST: 422.
        case invalidInput
        /// Values that are fine alone but not together, such as a distance threshold in keyword
        /// mode. REST: 400.
        case invalidCombination
        /// The caller does not have the right to do this, or not in this place. REST: 403.
        case forbidden
        /// The record does not exist. REST: 404.
        case notFound
        /// What is stored has changed in the meantime, or the request fits more than one thing.
        /// REST: 409.
        case conflict
        /// What is stored is not at the revision that the request names as its condition. REST:
        /// 412.
        case preconditionFailed
        /// The backend does not have the capability that the request needs. REST: 422.
        case unsupported
        /// The store cannot be reached, refused the work, or is still building its index. REST:
        /// 503.
        case storeUnavailable
        /// The deadline passed before the store or the service responded. REST: 503.
        case timedOut
        /// The embedding service is down, refused the work, or returned something that is not an
        /// embedding. REST: 503.
        case embeddingFailed
        /// The embedding service refuses the key, the model, the address or the texts until a
        /// setting changes; a retry does not help. REST: 502.
        case embeddingRefused
        /// The service of a language model is down or refused the work for now; or the model's
        /// budget is used up. REST: 503.
        case languageModelFailed
        /// That service refuses the key, the model or the address until a setting changes. REST:
        /// 502.
        case languageModelRefused
        /// That service refuses what the prompt says; it may answer others. REST: 502.
        case languageModelRefusedPrompt
        /// That service, or the model, returned something that cannot be used. REST: 503.
        case languageModelUnusable
        /// A setting is wrong, or does not fit what the store holds. Stops start-up; REST: 500.
        case misconfigured
        /// The server broke one of its own rules. REST: 500.
        case internalError
    }

    /// One step from the root of the input to the value at fault.
    public enum PathComponent: Sendable, Equatable {
        case key(String)
        case index(Int)
    }

    /// A setting of the server that an error is about. The executable, which knows the names of
    /// settings, adds this one's to the message.
    public enum Setting: Sendable, Equatable {
        /// The model of all embeddings.
        case embeddingModel
        /// Whether a server applies the migrations of its database.
        case autoMigrate
        /// The address of the store for changes of its schema.
        case migrationURL
        /// Whether the database limits what each transaction reaches.
        case rowSecurity
        /// Whether the database is the coordinator of a cluster, and how its tables lie there.
        case distribution
        /// What the keys of jobs begin with.
        case jobKeyPrefix
    }

    public let code: Code
    /// One sentence for readers, without secrets and without stored texts.
    public let message: String
    /// Where in the input the value at fault is; empty when the failure is not about one value.
    public let path: [PathComponent]
    /// The setting to change; `nil` if the error is not about one.
    public let setting: Setting?
    /// The id of the record that took the place of the one that was not found.
    public let successor: String?
    /// The message of the underlying error; for logs only.
    public let underlying: String?
    /// Whether a failed write may have taken effect all the same, because only the response was
    /// lost. `false` is certain: nothing was written. Has no meaning for reads.
    public let mayHaveBeenDone: Bool

    /// An error. Without `mayHaveBeenDone` the code decides: a store that did not respond may have
    /// done its work.
    public init(
        _ code: Code, _ message: String, path: [PathComponent] = [], setting: Setting? = nil,
        successor: String? = nil, underlying: String? = nil, mayHaveBeenDone: Bool? = nil
    ) {
        self.code = code
        self.message = message
        self.path = path
        self.setting = setting
        self.successor = successor
        self.underlying = underlying
        self.mayHaveBeenDone =
            mayHaveBeenDone
            ?? {
                switch code {
                case .storeUnavailable, .timedOut, .internalError: true
                case .invalidInput, .invalidCombination, .forbidden, .notFound, .conflict, .preconditionFailed,
                    .unsupported, .embeddingFailed, .embeddingRefused, .languageModelFailed, .languageModelRefused,
                    .languageModelRefusedPrompt, .languageModelUnusable, .misconfigured:
                    false
                }
            }()
    }

    /// An unacceptable value in the field `field`.
    public static func invalid(_ field: String, _ message: String) -> MemoryError {
        MemoryError(.invalidInput, message, path: [.key(field)])
    }

    /// The same error, found one step further down in the input.
    public func within(_ component: PathComponent) -> MemoryError {
        MemoryError(
            code, message, path: [component] + path, setting: setting, successor: successor, underlying: underlying,
            mayHaveBeenDone: mayHaveBeenDone)
    }

    /// The same error of a step that writes nothing, such as a read before the write.
    public var beforeAnyWrite: MemoryError {
        MemoryError(code, message, path: path, underlying: underlying, mayHaveBeenDone: false)
    }

    public var description: String {
        var text = "\(code.rawValue): \(message)"
        if !path.isEmpty {
            let place = path.map { component in
                switch component {
                case .key(let key): key
                case .index(let index): String(index)
                }
            }
            text += " [at \(place.joined(separator: "."))]"
        }
        if let underlying { text += " (\(underlying))" }
        return text
    }
}
