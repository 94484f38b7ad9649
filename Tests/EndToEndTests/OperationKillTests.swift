import AgentMemory
import Foundation
import TestSupport
import Testing

/// The server, or a command, is killed at a random moment of each kind of operation. Afterwards the
/// operation was done, was not done, goes on by itself, or is completed by the same call; each
/// memory is what its events say, counts are exact, and nothing is left when everything is erased.
@Suite(.tags(.server)) struct OperationKillTests {
    @Test(arguments: Store.allCases)
    func `what a killed server has begun is whole, goes on, or is completed by the same call`(
        _ store: Store
    ) async throws {
        var environment = try store.environment()
        environment["JOB_POLL_SECONDS"] = "0.1"
        environment["JOB_LEASE_SECONDS"] = "1"
        let mark = "mark\(UUID().uuidString.prefix(8).lowercased())"
        var spans = KillSpans()
        for round in 1...KilledOperation.rounds {
            var last: KilledOperation?
            for kind in KilledOperation.Kind.allCases where KilledOperation.isLong || !kind.isLeftOut {
                var operation = KilledOperation(kind, "\(mark)-\(round)-\(kind)", environment)
                try await ServerProcess.runAndKill(environment) { server in
                    try await server.client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
                    try await last?.check(server)
                    last = nil
                    try await operation.prepare(server.client)
                    await operation.start(server, spans.delay(of: kind))
                }
                try await operation.end()
                spans.note(operation)
                last = operation
            }
            try await ServerProcess.run(environment) { server in
                try await server.client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
                try await last?.check(server)
            }
            #expect(try await store.places(of: [mark], environment) == [], "after \(round) rounds")
        }
        if KilledOperation.isLong { print(spans.description(on: store)) }
    }
}

/// How long operations take, so that they are killed anywhere within.
struct KillSpans {
    private var spans: [KilledOperation.Kind: Duration] = [:]
    private var answered: [KilledOperation.Kind: Int] = [:]
    private var killed: [KilledOperation.Kind: Int] = [:]

    mutating func delay(of kind: KilledOperation.Kind) -> Duration {
        let span = spans[kind] ?? .milliseconds(60)
        return span * Double.random(in: 0...1)
    }

    mutating func note(_ operation: KilledOperation) {
        let kind = operation.kind
        let span = spans[kind] ?? .milliseconds(60)
        if let took = operation.took {
            answered[kind, default: 0] += 1
            spans[kind] = max(.milliseconds(5), (span + took) / 2)
        } else {
            killed[kind, default: 0] += 1
            if operation.delay > span * 0.7 { spans[kind] = span * 1.3 }
        }
    }

    func description(on store: Store) -> String {
        KilledOperation.Kind.allCases.map { kind in
            "\(store.rawValue) \(kind): \(killed[kind] ?? 0) killed before the answer, \(answered[kind] ?? 0) after it"
        }.joined(separator: "\n")
    }
}
