import Testing

@testable import AgentMemory

@Suite struct CaseFoldingTests {
    /// Foldings of more than one scalar, the exceptions, and scalars that merely look as if they
    /// had a folding.
    @Test(
        arguments: [
            ("A", "a"), ("a", "a"), ("0", "0"), ("ß", "ss"), ("ẞ", "ss"), ("İ", "i\u{307}"), ("ı", "ı"), ("ŉ", "ʼn"),
            ("ẚ", "aʾ"), ("և", "եւ"), ("ﬓ", "մն"), ("ﬀ", "ff"), ("ﬃ", "ffi"), ("ﬅ", "st"), ("ﬆ", "st"), ("ſ", "s"),
            ("ẛ", "ṡ"), ("Σ", "σ"), ("ς", "σ"), ("ϐ", "β"), ("ϑ", "θ"), ("ϴ", "θ"), ("µ", "μ"), ("\u{345}", "ι"),
            ("ᾀ", "ἀι"), ("ᾈ", "ἀι"), ("ᾼ", "αι"), ("ᾷ", "α\u{342}ι"), ("ῼ", "ωι"), ("Ǆ", "ǆ"), ("ǅ", "ǆ"), ("Я", "я"),
            ("Ა", "ა"), ("Ꭰ", "Ꭰ"), ("ꭰ", "Ꭰ"), ("ᏸ", "Ᏸ"), ("𐐀", "𐐨"), ("𞤀", "𞤢"), ("ⓐ", "ⓐ"), ("Ⓐ", "ⓐ"), ("Ⅷ", "ⅷ"),
        ] as [(Unicode.Scalar, String)])
    func folds(scalar: Unicode.Scalar, expected: String) {
        let (folding, changed) = folding(of: scalar)
        #expect(folding == Array(expected.unicodeScalars))
        #expect(changed == (folding != [scalar]))
    }

    @Test func `is idempotent`() {
        for scalar in everyScalarOfUnicode14() {
            for folded in folding(of: scalar).scalars { #expect(folding(of: folded).scalars == [folded]) }
        }
    }

    /// All foldings at once, against a digest that Python 3.11 (Unicode 14) made of
    /// `str.casefold()`: FNV-1a, 64 bits, over the scalar and those of its folding, four bytes
    /// each, the lowest first. Left out are scalars which the folding does not change or replaces
    /// by a canonically equivalent sequence.
    @Test func `agrees with every folding of Unicode 14`() {
        var digest: UInt64 = 0xCBF2_9CE4_8422_2325
        var count = 0
        for scalar in everyScalarOfUnicode14() {
            let (folding, changed) = folding(of: scalar)
            guard changed, !isEquivalent(folding, to: scalar) else { continue }
            count += 1
            for value in [scalar.value] + folding.map(\.value) {
                for shift in [0, 8, 16, 24] as [UInt32] {
                    digest = (digest ^ UInt64((value >> shift) & 0xFF)) &* 0x100_0000_01B3
                }
            }
        }
        #expect(count == 1506)
        #expect(digest == 0xF77B_9E80_98EF_7341)
    }

    private func folding(of scalar: Unicode.Scalar) -> (scalars: [Unicode.Scalar], changed: Bool) {
        var scalars: [Unicode.Scalar] = []
        let changed = CaseFolding.fold(scalar) { scalars.append($0) }
        return (scalars, changed)
    }

    private func isEquivalent(_ folding: [Unicode.Scalar], to scalar: Unicode.Scalar) -> Bool {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: folding)
        // Strings are compared by canonical equivalence.
        return String(view) == String(scalar)
    }

    private func everyScalarOfUnicode14() -> some Sequence<Unicode.Scalar> {
        (UInt32(0)...0x10FFFF).lazy.compactMap(Unicode.Scalar.init).filter {
            $0.properties.age.map { $0.major <= 14 } ?? false
        }
    }
}
