/// The operations between products of matrices. Pointers are at multiples of 32 bytes, counts are
/// multiples of 8.
///
/// Operations on single numbers are plain loops without a branch, which the compiler turns into
/// vector instructions. Sums are computed eight at a time by hand, because the compiler may not
/// reorder floating-point additions.
enum VectorMath {
    private typealias Vector = SIMD8<Float>

    @inline(__always)
    private static func vectors(_ numbers: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Vector> {
        UnsafeMutableRawPointer(numbers).assumingMemoryBound(to: Vector.self)
    }

    @inline(__always)
    private static func vectors(_ numbers: UnsafePointer<Float>) -> UnsafePointer<Vector> {
        UnsafeRawPointer(numbers).assumingMemoryBound(to: Vector.self)
    }

    /// e to the power of x, to about 2 units in the last place; 0 below -87, and not above e^88.
    ///
    /// e^x = 2^n e^r with n = round(x / ln 2) and |r| <= ln 2 / 2, where seven terms of the series
    /// are enough. ln 2 is split into two parts (Cody and Waite), so that r keeps its precision.
    @inline(__always)
    static func exp(_ x: Float) -> Float {
        let bounded = x > 88 ? 88 : x
        // Adding 1.5 * 2^23 rounds to a whole number, which then is in the low bits.
        let magic: Float = 0x1.8p23
        let shifted = bounded * 1.442695040888963 + magic
        let n = shifted - magic
        let r = bounded - n * 0.693359375 + n * 2.12194440e-4
        var sum = r * (1 / 5040) + 1 / 720
        sum = sum * r + 1 / 120
        sum = sum * r + 1 / 24
        sum = sum * r + 1 / 6
        sum = sum * r + 0.5
        sum = sum * r + 1
        sum = sum * r + 1
        let exponent = (shifted.bitPattern &- magic.bitPattern &+ 127) &<< 23
        return x < -87 ? 0 : sum * Float(bitPattern: exponent)
    }

    /// x Φ(x), with the error function of Abramowitz and Stegun, 7.1.26 (absolute error at most
    /// 1.5e-7).
    @inline(__always)
    static func gelu(_ x: Float) -> Float {
        let z = abs(x) * 0.70710678118654752
        let t = 1 / (1 + z * 0.3275911)
        var sum = t * 1.061405429 - 1.453152027
        sum = sum * t + 1.421413741
        sum = sum * t - 0.284496736
        sum = sum * t + 0.254829592
        let tail = sum * t * exp(-z * z) * 0.5
        return x * (x < 0 ? tail : 1 - tail)
    }

    /// x / 2 (1 + tanh(√(2/π) (x + 0.044715 x³))) (Hendrycks and Gimpel: "Gaussian Error Linear
    /// Units", 2016).
    @inline(__always)
    static func tanhGELU(_ x: Float) -> Float {
        let u = x * (x * x * 0.044715 + 1) * 0.7978845608028654
        return x * (1 - 1 / (exp(u * 2) + 1))
    }

    /// Adds `bias` to each row of `width` numbers, then applies the activation.
    static func activate(
        _ x: UnsafeMutablePointer<Float>, rows: Int, width: Int, bias: UnsafePointer<Float>,
        _ activation: ModelConfiguration.Activation
    ) {
        for row in 0..<rows {
            let x = x + row * width
            switch activation {
            case .gelu: map(x, count: width) { gelu($0 + bias[$1]) }
            case .tanhGELU: map(x, count: width) { tanhGELU($0 + bias[$1]) }
            case .relu: map(x, count: width) { max($0 + bias[$1], 0) }
            }
        }
    }

    /// Replaces each number by the result of `body` for it and its index.
    ///
    /// A `while`, because without optimisation, as in tests, the iterator of a range takes longer
    /// than most bodies.
    @inline(__always)
    private static func map(_ x: UnsafeMutablePointer<Float>, count: Int, _ body: (Float, Int) -> Float) {
        var i = 0
        while i < count {
            x[i] = body(x[i], i)
            i &+= 1
        }
    }

    /// x = normalised (x + added + bias), row by row, in the sense of layer normalisation (Ba,
    /// Kiros and Hinton, 2016).
    static func addAndNormalise(
        _ x: UnsafeMutablePointer<Float>, added: UnsafePointer<Float>, bias: UnsafePointer<Float>, rows: Int,
        width: Int,
        _ norm: LayerNorm
    ) {
        let bias = vectors(bias)
        for row in 0..<rows {
            let x = vectors(x + row * width)
            let added = vectors(added + row * width)
            for i in 0..<width / 8 { x[i] += added[i] + bias[i] }
            normalise(x, width: width, norm)
        }
    }

    /// x = normalised (x + added) of one row.
    static func addAndNormalise(
        _ x: UnsafeMutablePointer<Float>, added: UnsafePointer<Float>, width: Int, _ norm: LayerNorm
    ) {
        let x = vectors(x)
        let added = vectors(added)
        for i in 0..<width / 8 { x[i] += added[i] }
        normalise(x, width: width, norm)
    }

    @inline(__always)
    private static func normalise(_ x: UnsafeMutablePointer<Vector>, width: Int, _ norm: LayerNorm) {
        let gain = vectors(norm.gain.numbers)
        let bias = vectors(norm.bias.numbers)
        var sums = Vector.zero
        for i in 0..<width / 8 { sums += x[i] }
        let mean = sums.sum() / Float(width)
        sums = .zero
        for i in 0..<width / 8 {
            let difference = x[i] - mean
            sums += difference * difference
        }
        let scale = 1 / (sums.sum() / Float(width) + norm.epsilon).squareRoot()
        for i in 0..<width / 8 { x[i] = (x[i] - mean) * scale * gain[i] + bias[i] }
    }

    /// Turns each row of `columns` scores into weights that sum to 1. Rows are `stride` numbers
    /// apart, a multiple of 8; the numbers between the end of a row and the next become 0.
    static func softmax(_ scores: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int) {
        let used = (columns + 7) / 8
        for row in 0..<rows {
            let start = scores + row * stride
            for column in columns..<used * 8 { start[column] = -.infinity }
            let x = vectors(start)
            var maxima = x[0]
            for i in 1..<max(1, used) { maxima = maxima.replacing(with: x[i], where: x[i] .> maxima) }
            let maximum = maxima.max()
            map(start, count: used * 8) { number, _ in exp(number - maximum) }
            var sums = Vector.zero
            for i in 0..<used { sums += x[i] }
            let scale = 1 / sums.sum()
            for i in 0..<used { x[i] *= scale }
        }
    }

    /// Adds the row `x` to `sum`.
    static func add(_ x: UnsafePointer<Float>, to sum: UnsafeMutablePointer<Float>, width: Int) {
        let x = vectors(x)
        let sum = vectors(sum)
        for i in 0..<width / 8 { sum[i] += x[i] }
    }
}

/// The learnt parameters of a layer normalisation.
struct LayerNorm: Sendable {
    let gain: FloatBuffer
    let bias: FloatBuffer
    let epsilon: Float
}
