import AgentMemory
import HTTPTypes
import Hummingbird
import Logging
import MemoryAPI
public import MemoryService
import NIOCore

/// The use cases behind the routes that move data.
public struct MemoryTransfers: Sendable {
    let exporting: MemoryExport
    let importing: MemoryImport

    public init(exporting: MemoryExport, importing: MemoryImport) {
        self.exporting = exporting
        self.importing = importing
    }
}

/// The routes /v1/export and /v1/import. Their bodies are as large as a store, and are written and
/// read as they are made.
struct TransferController: Sendable {
    let transfers: MemoryTransfers
    /// Whether there is long-term memory; without it both routes respond with 400.
    let isEnabled: Bool
    let now: @Sendable () -> Timestamp
    // Each holds a connection of the store, and a page of records in memory.
    private let exports = TransferSlots("exports", count: 2)
    private let imports = TransferSlots("imports", count: 2)

    init(transfers: MemoryTransfers, isEnabled: Bool, now: @escaping @Sendable () -> Timestamp) {
        self.transfers = transfers
        self.isEnabled = isEnabled
        self.now = now
    }

    /// Exports and imports that got 503 for want of a place.
    var refusals: Int { exports.refusals.value + imports.refusals.value }

    func addRoutes(to routes: RouteBuilder) {
        let disabled: RouteBuilder.Handler = { _, _ in .error(.badRequest, "Long-term memory is disabled") }
        let export = routes.handler(RouteInputs(query: TransferRequest.parametersOfExport), export)
        let `import` = routes.streamingHandler(
            RouteInputs(query: TransferRequest.parametersOfImport, takesBody: true, right: .write), importAll)
        routes.add("/v1/export", [.get: isEnabled ? export : disabled])
        routes.add(RouterPath(StreamedBody.importPath), [.post: isEnabled ? `import` : disabled])
    }

    /// Responds once the first line is there, so that an export that cannot begin has a status of
    /// its own.
    private func export(_ call: RouteCall) async throws -> Response {
        let selection = try TransferRequest.selection(call.query.reader, now: now())
        guard let slot = exports.take() else { return exports.full }
        let production = ExportProduction(transfers.exporting, selection, for: call.context.caller, slot)
        let first = try await production.channel.next() ?? []
        let logger = call.context.requestLogger
        return Response(
            status: .ok,
            headers: [
                .contentType: "application/x-ndjson", .cacheControl: "no-store",
                .contentDisposition: "attachment; filename=\"memories.jsonl\"",
            ],
            body: ResponseBody { writer in
                var paced = PacedWriter(base: writer)
                do {
                    try await paced.write(ByteBuffer(bytes: first))
                    while let piece = try await production.channel.next() {
                        try await paced.write(ByteBuffer(bytes: piece))
                    }
                } catch {
                    // The response has no end then, and the export has no last line.
                    logger.warning("an export was cut short", metadata: ["error": "\(error)"])
                    throw error
                }
                try await paced.finish(nil)
            })
    }

    private func importAll(_ call: RouteCall) async throws -> Response {
        let options = try TransferRequest.options(call.query.reader)
        guard let slot = imports.take() else { return imports.full }
        defer { withExtendedLifetime(slot) {} }
        var body = call.request.body.makeAsyncIterator()
        let outcome = try await transfers.importing.run(
            options, for: call.context.caller,
            reading: {
                try await body.next().map { Array($0.readableBytesView) }
            })
        return .json(ImportResponse(outcome))
    }
}

/// An export at work. It is cancelled when nothing reads it any more: the client has gone away, or
/// its response was never written.
private final class ExportProduction: Sendable {
    let channel: PieceChannel
    private let task: Task<Void, Never>

    init(_ export: MemoryExport, _ selection: SnapshotSelection, for caller: Caller, _ slot: TransferSlots.Slot) {
        let channel = PieceChannel()
        self.channel = channel
        task = Task {
            do {
                try await export.run(selection, for: caller, to: channel)
                channel.finish(.success(()))
            } catch {
                channel.finish(.failure(error))
            }
            withExtendedLifetime(slot) {}
        }
    }

    deinit {
        channel.cancel()
        task.cancel()
    }
}
