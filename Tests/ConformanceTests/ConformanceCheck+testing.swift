public import MemoryConformance
public import Testing

extension ConformanceCheck: CustomTestStringConvertible {
    public var testDescription: String { id }
}
