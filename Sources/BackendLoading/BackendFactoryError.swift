/// Why a value of the factory setting gave no backend. Each message names the value, what was tried
/// and what to do. The names of settings are the executable's to add.
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

    /// A field of ``BackendLoader/Configuration`` that could help.
    public enum Field: Sendable, Equatable {
        case folders, python
    }

    public let code: Code
    /// Begins with the value of the factory setting and a colon.
    public let message: String
    /// The field to change in place of the factory; `nil` if there is none.
    public let field: Field?

    /// - Parameters:
    ///   - setting: the value of the factory setting.
    ///   - field: what else can be changed.
    ///   - reason: what was tried, what happened, and what to do.
    init(_ code: Code, setting: String, field: Field? = nil, _ reason: String) {
        self.code = code
        self.field = field
        message = "\(setting): \(reason)"
    }

    public var description: String { message }
}
