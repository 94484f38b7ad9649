import MemoryConformance
import Testing

extension ConformanceCheck: CustomTestStringConvertible {
    public var testDescription: String { id }
}
