/// A small generator of random numbers that returns the same numbers on every platform and in every
/// version.
///
/// Sebastiano Vigna's splitmix64 (https://prng.di.unimi.it/splitmix64.c). The standard library's
/// own ways to turn random bits into a number in a range are not used: they may change between
/// versions, and a seed in a report must stay valid.
struct SplitMix64: Sendable {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    /// A separate generator for each of several streams that share one seed.
    init(seed: UInt64, stream: Int) {
        var seeds = SplitMix64(seed: seed ^ UInt64(truncatingIfNeeded: stream) &* 0xD1B5_4A32_D192_ED03)
        state = seeds.next()
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A number from 0 up to, but not including, `bound`; its bias is below 2^-40 for the small
    /// bounds used here.
    mutating func below(_ bound: Int) -> Int {
        Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    mutating func between(_ lowest: Int, _ highest: Int) -> Int {
        lowest + below(highest - lowest + 1)
    }

    /// True in `percent` of 100 cases.
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

    /// - Precondition: `values` is not empty.
    mutating func pick<Element>(_ values: [Element]) -> Element { values[below(values.count)] }

    /// Up to `count` different positions of `values`, in random order.
    mutating func sample<Element>(_ values: [Element], _ count: Int) -> [Element] {
        var rest = values
        return (0..<min(count, values.count)).map { _ in rest.remove(at: below(rest.count)) }
    }

    /// One of several values, each as often as its weight says.
    mutating func weighted<Element>(_ choices: [(weight: Int, value: Element)]) -> Element {
        var ticket = below(choices.reduce(0) { $0 + $1.weight })
        for choice in choices {
            ticket -= choice.weight
            if ticket < 0 { return choice.value }
        }
        return choices[choices.count - 1].value
    }
}
