import Foundation
import Testing

@testable import SentenceModel

@Suite("Vector mathematics")
struct VectorMathTests {
    private static let arguments = stride(from: Float(-12), through: 12, by: 0.01).map { $0 } + [-100, -87.5, 60, 88]

    @Test func `exponentials are exact to six digits`() {
        for x in Self.arguments {
            let computed = Double(VectorMath.exp(x))
            let expected = x < -87 ? 0 : exp(Double(x))
            #expect(abs(computed - expected) <= expected * 1e-6, "e^\(x)")
        }
        #expect(VectorMath.exp(-.infinity) == 0)
        #expect(VectorMath.exp(1000).isFinite)
    }

    @Test func `activations are those of their formulas`() {
        for x in Self.arguments where abs(x) < 50 {
            let value = Double(x)
            let gelu = value * 0.5 * (1 + erf(value / 2.0.squareRoot()))
            let tolerance = 1e-6 * max(1, abs(value))
            #expect(abs(Double(VectorMath.gelu(x)) - gelu) < tolerance, "gelu(\(x))")
            let inner = (2 / Double.pi).squareRoot() * (value + 0.044715 * value * value * value)
            let tanhGELU = value * 0.5 * (1 + tanh(inner))
            #expect(abs(Double(VectorMath.tanhGELU(x)) - tanhGELU) < tolerance, "gelu_new(\(x))")
        }
    }

    @Test(arguments: [1, 3, 7, 8, 9, 20])
    func `softmax sums to one and fills the rest`(_ columns: Int) {
        let stride = EncoderScratch.scoreStride(columns)
        let buffer = FloatBuffer(count: 2 * stride)
        for index in 0..<2 * stride { buffer.numbers[index] = .nan }
        for row in 0..<2 {
            for column in 0..<columns { buffer.numbers[row * stride + column] = Float(column * (row + 1)) - 80 }
        }
        VectorMath.softmax(buffer.numbers, rows: 2, columns: columns, stride: stride)
        for row in 0..<2 {
            let weights = (0..<columns).map { Double(exp(Double($0 * (row + 1)))) }
            for column in 0..<columns {
                let expected = weights[column] / weights.reduce(0, +)
                #expect(abs(Double(buffer.numbers[row * stride + column]) - expected) < 1e-6)
            }
            for column in columns..<stride { #expect(buffer.numbers[row * stride + column] == 0) }
        }
    }

    @Test func `half precision is read exactly`() {
        #expect(Tensor.float(f16: 0x3C00) == 1)
        #expect(Tensor.float(f16: 0xC000) == -2)
        #expect(Tensor.float(f16: 0x7BFF) == 65_504)
        #expect(Tensor.float(f16: 0x0001) == 0x1p-24)
        #expect(Tensor.float(f16: 0x83FF) == -0x1.ff8p-15)
        #expect(Tensor.float(f16: 0x0000) == 0)
        #expect(Tensor.float(f16: 0x7C00) == .infinity)
        #expect(Tensor.float(f16: 0x7E00).isNaN)
    }
}
