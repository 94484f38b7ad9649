/// Why a factory setting gave no backend. Each message names the setting, what was tried and what
/// to do.
public struct BackendFactoryError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable {
        /// No built-in factory has that name, and the setting does not say what to load.
        case unknownFactory
        /// The library or module cannot be loaded: it is missing, one that it needs is missing, or
        /// it is for another machine.
        case importError
        /// It was loaded, but has no such function.
        case functionNotFound
        /// The function returned something that is not a backend.
        case invalidReturnType
        /// The function failed; `message` has its own message.
        case runtimeError
    }

    public let code: Code
    public let message: String

    /// - Parameters:
    ///   - setting: the value of the factory setting.
    ///   - reason: what was tried, what happened, and what to do.
    init(_ code: Code, setting: String, _ reason: String) {
        self.code = code
        message = "MEMORY_VECTOR_DB_FACTORY=\(setting): \(reason)"
    }

    public var description: String { message }
}
