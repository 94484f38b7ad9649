import AgentMemory

/// Short memories as agents store them, with words as unevenly frequent as in a language, and
/// questions about them.
struct SentenceCorpus: Sendable {
    let texts: [String]
    let queries: [String]
    private let dimensions: Int

    init(count: Int, dimensions: Int) {
        self.dimensions = dimensions
        var random = Sequence(seed: 42)
        texts = (0..<count).map { index in
            var words = [Self.pick(Self.people, &random), Self.pick(Self.verbs, &random), "the"]
            for _ in 0..<(2 + random.next(14)) { words.append(Self.pick(Self.things, &random)) }
            words += ["in", Self.pick(Self.places, &random)]
            // A number distinguishes otherwise equal sentences.
            return words.joined(separator: " ") + " \(index)"
        }
        queries = (0..<40).map { index in
            let things = (0...index % 3).map { _ in Self.pick(Self.things, &random) }
            return
                ([Self.pick(Self.people, &random)] + things + (index % 2 == 0 ? [Self.pick(Self.places, &random)] : []))
                .joined(separator: " ")
        }
    }

    /// Texts that share words are near: the sum of one direction for each word.
    func vector(of text: String) -> [Float] {
        var sum = [Float](repeating: 0, count: dimensions)
        for word in text.split(separator: " ") {
            let seed = word.utf8.reduce(UInt64(5381)) { ($0 &* 33) ^ UInt64($1) }
            for (index, value) in SteeredEmbedder.unitVector(dimensions: dimensions, seed: seed).enumerated() {
                sum[index] += value
            }
        }
        return sum
    }

    /// Zipf's law, roughly: the square of an even number between 0 and 1 favours the front of the
    /// list.
    private static func pick(_ words: [String], _ random: inout Sequence) -> String {
        let even = Double(random.next(1 << 20)) / Double(1 << 20)
        return words[Int(even * even * Double(words.count))]
    }

    /// Numbers that are the same on every platform.
    private struct Sequence {
        private var state: UInt64

        init(seed: UInt64) {
            state = seed
        }

        mutating func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
    }

    private static let people = ["ada", "bela", "carla", "dmitri", "elif", "farid", "grete", "hiro", "ines", "jonas"]
    private static let verbs = [
        "prefers", "likes", "asked about", "ordered", "avoids", "bought", "cancelled", "recommended",
    ]
    private static let places = [
        "berlin", "paris", "lisbon", "the office", "the kitchen", "oslo", "kyoto", "the garden",
    ]
    private static let things = [
        "tea", "coffee", "meeting", "train", "ticket", "window", "seat", "vegetarian", "dinner", "invoice", "report",
        "deadline", "laptop", "keyboard", "bicycle", "umbrella", "concert", "violin", "novel", "recipe", "garden",
        "olive",
        "bread", "cheese", "lemon", "ginger", "morning", "evening", "weekend", "holiday", "passport", "luggage",
        "hotel",
        "balcony", "database", "index", "migration", "server", "backup", "password", "calendar", "reminder", "doctor",
        "allergy", "peanut", "medicine", "insurance", "contract", "budget", "salary", "project", "sprint", "release",
        "roadmap", "customer", "complaint", "refund", "delivery", "package", "address",
    ]
}
