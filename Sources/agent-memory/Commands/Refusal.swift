import AgentMemory
import BackendLoading
import Settings

/// Ends the program with a message on standard error and exit status 1.
struct Refusal: Error, CustomStringConvertible {
    let description: String

    init(_ message: String) {
        description = message
    }

    /// `nil` for an error that is not meant for the user of the command line.
    init?(_ error: any Error) {
        switch error {
        case let error as SettingsError: description = error.description
        case let error as BackendFactoryError: description = error.messageNamingSetting
        case let error as MemoryError: description = error.messageNamingSetting
        default: return nil
        }
    }

    /// Runs the work of a command: errors of settings, factories and stores become a refusal.
    static func wrapping<Value>(_ work: () async throws -> Value) async throws -> Value {
        do {
            return try await work()
        } catch {
            throw Refusal(error) ?? error
        }
    }
}
