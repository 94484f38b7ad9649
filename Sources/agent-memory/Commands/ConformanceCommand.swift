import AgentMemory
public import ArgumentParser
import BackendLoading
import MemoryConformance

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `agent-memory conformance`: checks backends, or whole servers, against the contract.
struct ConformanceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "conformance", abstract: "Checks that backends follow the contract.",
        discussion: """
            Works in a scope of its own in each store (an index and a key prefix, a Postgres schema, a namespace over REST) and removes it at the \
            end, also when it is interrupted; nothing else in the store is touched. Exits with 1 if a MUST does not hold.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, json, junit, markdown
    }

    @Argument(
        help:
            "The backends to check side by side: redis, pgvector, reference, or what MEMORY_VECTOR_DB_FACTORY can name; the configured one if none is given."
    )
    var backends: [String] = []

    @Option(help: "A server of the REST API to check from outside, such as http://localhost:8000; can be repeated.")
    var url: [String] = []

    @Option(
        help:
            "How many seconds each write of a server may take to become visible after its response, for servers that store later: 0 to 600. The checks of rule R6 fail all the same."
    )
    var settle: Double = 0

    @Option(help: "The form of the report.")
    var format: Format = .table

    @Option(help: "Write the report to this file instead of standard output.")
    var output: String?

    @Option(help: "Run only the checks whose ids have this prefix, such as filter/ or page/P2-total; can be repeated.")
    var only: [String] = []

    @Option(help: "Leave out the checks whose ids have this prefix, such as recall/; can be repeated.")
    var skip: [String] = []

    @Option(
        help: ArgumentHelp(
            "Run only the checks of this level; can be repeated. One of \(ConformanceCheck.Level.allCases.map(\.rawValue).joined(separator: ", ")).",
            valueName: "level"))
    var level: [ConformanceCheck.Level] = []

    @Option(help: "The seed of the random histories; the same seed gives the same ones.")
    var seed: UInt64 = 1

    @Option(help: "How many random histories to compare with the reference backend.")
    var histories = 500

    @Option(
        help:
            "A file of known failures: lines of backend, check id, reason. A line whose failure does not occur fails the run."
    )
    var expectedFailures: String?

    @Option(help: "Replay the history in this file, as the evidence of a random history prints it, and run no check.")
    var replay: String?

    @Flag(help: "Print the checks, and run none.")
    var list = false

    func validate() throws {
        try Self.validate(histories: histories)
        if !(0...600).contains(settle) { throw ValidationError("--settle must be between 0 and 600") }
        if settle > 0, url.isEmpty { throw ValidationError("--settle is about servers: it needs --url") }
        for (option, values) in [
            ("--url", url), ("--only", only), ("--skip", skip), ("--output", [output].compactMap(\.self)),
            ("--expected-failures", [expectedFailures].compactMap(\.self)), ("--replay", [replay].compactMap(\.self)),
            ("the name of a backend", backends),
        ] where values.contains(where: \.isEmpty) {
            throw ValidationError("\(option) is empty")
        }
        let chooses = !only.isEmpty || !skip.isEmpty || !level.isEmpty
        if replay != nil, list || chooses || output != nil || expectedFailures != nil {
            throw ValidationError("--replay runs one history: no check can be chosen or listed, and there is no report")
        }
        if list, output != nil || !url.isEmpty || !backends.isEmpty {
            throw ValidationError("--list runs no check: it takes neither a backend nor --url or --output")
        }
    }

    static func validate(histories: Int) throws {
        if !(0...1_000_000).contains(histories) {
            throw ValidationError("--histories must be between 0 and 1000000")
        }
    }

    func run() async throws {
        try await Refusal.wrapping {
            let options = try runOptions()
            if list {
                for check in try options.checks() { print(check.listing) }
                return
            }
            if let replay {
                return try await replayHistory(in: replay)
            }
            let run = try ConformanceRun(options)
            let harnesses = try await ConformanceHarnesses.make(
                backends: backends, urls: url, settle: settle > 0 ? .seconds(settle) : nil)
            // Checked before the run, which may be long.
            if let output { try Self.write("", to: output) }
            let progress = ConformanceProgress(several: harnesses.count > 1)
            let report = await endingOnSignals { await run.run(on: harnesses) { progress.tell($0) } }
            progress.end()
            let text =
                switch format {
                case .table: report.table
                case .json: report.json.jsonText + "\n"
                case .junit: report.junit
                case .markdown: report.markdown
                }
            if let output { try Self.write(text, to: output) } else { print(text, terminator: "") }
            if !report.succeeded { throw ExitCode(report.interrupted ? 130 : 1) }
        }
    }

    private func runOptions() throws -> ConformanceRun.Options {
        var expected = ExpectedFailures()
        if let expectedFailures {
            let text: String
            do {
                text = try String(contentsOfFile: expectedFailures, encoding: .utf8)
            } catch {
                throw Refusal("--expected-failures: \(expectedFailures) cannot be read")
            }
            expected = try ExpectedFailures(parsing: text)
        }
        return ConformanceRun.Options(
            only: only, skip: skip, levels: Set(level),
            settings: CheckSettings(seed: seed, histories: histories, oracle: ConformanceHarnesses.oracle),
            expectedFailures: expected)
    }

    /// Exits with 1 if a backend's result differs from the oracle's.
    private func replayHistory(in file: String) async throws {
        guard let script = try? String(contentsOfFile: file, encoding: .utf8) else {
            throw Refusal("--replay: \(file) cannot be read")
        }
        let history: History
        do {
            history = try History(script: script)
        } catch {
            throw Refusal("--replay: \(file): \(error)")
        }
        var differs = false
        for harness in try await ConformanceHarnesses.make(
            backends: backends, urls: url, settle: settle > 0 ? .seconds(settle) : nil)
        {
            let divergence = try await HistoryReplay.run(history, on: harness, oracle: ConformanceHarnesses.oracle)
            print("\(harness.backend): \(divergence?.description ?? "agrees with the reference backend")")
            differs = differs || divergence != nil
        }
        if differs { throw ExitCode(1) }
    }

    private static func write(_ text: String, to file: String) throws {
        do {
            try text.write(toFile: file, atomically: false, encoding: .utf8)
        } catch {
            throw Refusal("--output: \(file) cannot be written")
        }
    }
}

extension ConformanceCheck.Level: ExpressibleByArgument {}

extension ConformanceCheck {
    /// A line for `--list`.
    fileprivate var listing: String {
        let needs = needs.isEmpty ? "" : " Needs \(needs.map(\.rawValue).sorted().joined(separator: ", "))."
        return "\(id)  \(requirement.rawValue)  \(level.rawValue)\n    When it fails: \(hint).\(needs)"
    }
}
