/// How many of something took how long.
public struct DurationHistogram: Sendable, Equatable {
    /// Bounds for requests of clients, in seconds.
    public static let boundsOfRequests: [Double] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
    ]
    /// Bounds for calls of models, in seconds.
    public static let boundsOfCalls: [Double] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120]

    /// The upper bounds of the buckets in seconds, ascending; each belongs to its bucket. One more
    /// bucket has what is longer than all of them.
    public let bounds: [Double]
    /// All durations together, in seconds.
    public private(set) var seconds = 0.0
    private var counts: [Int]

    public init(_ bounds: [Double]) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    /// How many durations were recorded.
    public var count: Int { counts.reduce(0, +) }

    /// How many were at most as long as each bound.
    public var cumulative: [Int] {
        var sum = 0
        return counts.dropLast().map { count in
            sum += count
            return sum
        }
    }

    /// - Parameter duration: not below zero.
    public mutating func record(_ duration: Duration) {
        let (whole, fraction) = duration.components
        // A quotient of two exact numbers is the number that the bound is written as.
        let length = Double(whole) + Double(fraction) / 1e18
        var bucket = 0
        while bucket < bounds.count, length > bounds[bucket] { bucket += 1 }
        counts[bucket] += 1
        seconds += length
    }
}
