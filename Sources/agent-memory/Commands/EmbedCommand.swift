import AgentMemory
import ArgumentParser
import HTTPClient
import Logging
import Settings

/// `agent-memory embed`: the vectors of texts from the configured embedding model.
struct EmbedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "embed",
        abstract:
            "Embeds texts with the configured model: the vectors' length, their similarities, the time it took."
    )

    @Argument(help: "The texts.")
    var texts: [String]

    func run() async throws {
        try await Refusal.wrapping {
            let client = HTTPClient()
            do {
                try await embed(through: client)
            } catch {
                await client.shutdown()
                throw error
            }
            await client.shutdown()
        }
    }

    private func embed(through client: HTTPClient) async throws {
        let settings = try Settings.start()
        let clock = ContinuousClock()
        let start = clock.now
        let embedder = try Assembly(settings: settings, logger: Logger(label: "agent-memory"))
            .makeEmbedder(client: client)
        let opened = clock.now
        // The first call waits for loading or connecting. It has another text than the second one,
        // which would come from the cache otherwise.
        _ = try await embedder.checkedEmbeddings(of: ["warm-up"])
        let ready = clock.now
        let vectors = try await embedder.checkedEmbeddings(of: texts)
        let end = clock.now
        print("model       \(embedder.model)")
        print("dimensions  \(embedder.dimensions)")
        print(
            "start       \(milliseconds(ready - start)) ms, of which \(milliseconds(opened - start)) ms for settings and files"
        )
        print("time        \(milliseconds(end - ready)) ms for \(texts.count == 1 ? "1 text" : "\(texts.count) texts")")
        for second in vectors.indices {
            for first in 0..<second {
                print(
                    "cosine      \(rounded(cosine(vectors[first], vectors[second]), 4))  texts \(first + 1) and \(second + 1)"
                )
            }
        }
    }

    private func cosine(_ a: [Float], _ b: [Float]) -> Double {
        func product(_ a: [Float], _ b: [Float]) -> Double {
            zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        return product(a, b) / (product(a, a) * product(b, b)).squareRoot()
    }

    private func milliseconds(_ duration: Duration) -> String {
        rounded(duration / .milliseconds(1), 1)
    }

    /// With a fixed number of decimals, so that figures are easy to compare.
    private func rounded(_ value: Double, _ decimals: Int) -> String {
        let scale = (0..<decimals).reduce(1) { product, _ in product * 10 }
        let units = Int((value * Double(scale)).rounded())
        let digits = String(abs(units % scale))
        let fraction = String(repeating: "0", count: decimals - digits.count) + digits
        return "\(units < 0 ? "-" : "")\(abs(units / scale)).\(fraction)"
    }
}
