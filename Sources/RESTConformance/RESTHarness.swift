public import AgentMemory
import HTTPClient
public import MemoryConformance
import Synchronization

/// Makes scopes on any running server that speaks the REST API, whatever else uses it.
///
/// A scope is made of names alone: ids and namespaces with a random prefix. No request can see or
/// change a record outside of it, and removing it deletes every record that was added. The
/// capabilities of the server are queried once.
public final class RESTHarness: ConformanceHarness {
    /// The address of the server, such as `http://localhost:8000`.
    public let backend: String
    private let connection: RESTConnection
    private let features = Mutex<ServerFeatures?>(nil)
    private let settling: WriteSettling?

    /// - Parameters:
    ///   - url: the address of the server, such as `http://localhost:8000`; the paths of the API
    ///     are appended.
    ///   - token: sent as `Authorization: Bearer …` if given.
    ///   - timeout: of one request. Default: 60 s.
    ///   - settle: how long each write may take to become visible after its response, for servers
    ///     that store later; `nil` does not wait.
    /// - Throws: ``MemoryError`` with code `misconfigured` for an invalid URL.
    public init(url: String, token: String? = nil, timeout: Duration = .seconds(60), settle: Duration? = nil) throws {
        connection = try RESTConnection(url: url, token: token, timeout: timeout)
        backend = connection.origin.description
        settling = settle.map(WriteSettling.init(limit:))
    }

    public var notes: [String] {
        guard let settling else { return [] }
        let tally = settling.tally
        let slowest = Int((tally.slowest / .milliseconds(1)).rounded())
        let end =
            tally.lost == 0
            ? "Only the checks of rule R6 fail for this"
            : "\(tally.lost) were not seen even then: checks that read those fail for this"
        return [
            """
            each write was given up to \(settling.limit) to be seen: \(tally.late) of \(tally.writes) were not seen at once, the slowest after \
            \(slowest) ms. \(end)
            """
        ]
    }

    /// A new scope on the server. The embedder is not used: the server has its own.
    ///
    /// - Throws: ``MemoryError`` if the server cannot be reached or does not speak the API.
    public func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
        let scope = RESTScope()
        let features = try await probedFeatures(namespace: scope.prefix)
        let connection = connection
        let database = RESTMemoryDatabase(
            connection.reopened(), scope: scope, features: features, settling: settling)
        var lateWrites: (@Sendable () -> Int)?
        if let settling {
            let before = settling.tally.late
            lateWrites = { settling.tally.late - before }
        }
        return ScopedDatabase(
            database: database,
            reopen: { [settling] _ in
                RESTMemoryDatabase(connection.reopened(), scope: scope, features: features, settling: settling)
            },
            wire: RESTWireClient(connection, scope: scope, settling: settling), embedsAsGiven: false, isAlone: false,
            passesCallsWhole: false, lateWrites: lateWrites,
            remove: {
                await database.close()
                try await ScopeRemoval(connection, scope).run()
            })
    }

    private func probedFeatures(namespace: String) async throws -> ServerFeatures {
        if let known = features.withLock(\.self) { return known }
        let probed = try await ServerFeatures.probed(connection, namespace: namespace)
        features.withLock { $0 = probed }
        return probed
    }
}
