/// Unicode full case folding: the statuses C and F of Unicode's CaseFolding.txt, without the Turkic
/// ones.
///
/// The standard library publishes case mappings but no folding. The folding of a scalar is the
/// lower case of the upper case of its lower case, each by the scalar's own mapping and so without
/// regard to its neighbours; only ẞ needs the first of these steps. The Cherokee letters are the
/// exception, which fold to upper case.
///
/// Some scalars fold to a sequence that is canonically equivalent to them, such as ǰ to j and a
/// caron. These are left as they are, which after normalisation is the same.
enum CaseFolding {
    /// Passes the folding of `scalar`, one to three scalars, to `body` in order.
    ///
    /// - Returns: whether the folding differs from `scalar`.
    @inline(__always)
    static func fold(_ scalar: Unicode.Scalar, _ body: (Unicode.Scalar) -> Void) -> Bool {
        guard scalar.properties.changesWhenCaseFolded else {
            body(scalar)
            return false
        }
        if isSmallCherokee(scalar) {
            for upper in scalar.properties.uppercaseMapping.unicodeScalars { body(upper) }
            return true
        }
        for lower in scalar.properties.lowercaseMapping.unicodeScalars {
            for upper in lower.properties.uppercaseMapping.unicodeScalars {
                for folded in upper.properties.lowercaseMapping.unicodeScalars { body(folded) }
            }
        }
        return true
    }

    /// Cherokee was written in capitals long before it had small letters, so those fold to the
    /// capitals.
    private static func isSmallCherokee(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x13F8...0x13FD, 0xAB70...0xABBF: true
        default: false
        }
    }
}
