public import AgentMemory
import HTTPClient
public import MemoryConformance
import Synchronization

/// Makes scopes on a running server that speaks the REST API, whatever it is and whatever else uses
/// it.
///
/// A scope is made of names alone: ids and namespaces that begin with a random prefix. No request
/// can see or change a record outside of it, and removing it deletes every record that was added.
/// What the server can do is asked of it once.
public final class RESTHarness: ConformanceHarness {
    /// Where the server is, such as `http://localhost:8000`.
    public let backend: String
    private let connection: RESTConnection
    private let features = Mutex<ServerFeatures?>(nil)
    private let settling: WriteSettling?

    /// - Parameters:
    ///   - url: where the server listens, such as `http://localhost:8000`; the paths of the API are
    ///     put behind it.
    ///   - token: sent as `Authorization: Bearer …` where given.
    ///   - timeout: of one request. Default: 60 s.
    ///   - settle: how long each write may take to be seen after its answer, for servers that store
    ///     later; `nil` waits for none.
    /// - Throws: ``MemoryError`` with code `misconfigured` for a URL that is none.
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
