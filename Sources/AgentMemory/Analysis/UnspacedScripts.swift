/// The scripts that put no blanks between words: Han, kana, Thai, Lao, Khmer and Myanmar.
///
/// Which characters these are comes from Unicode's Scripts.txt and ScriptExtensions.txt; the blocks
/// of the planes 2 and 3 are Han as a whole. Decimal digits of these scripts are words like all
/// other digits.
enum UnspacedScripts {
    /// Whether a letter or decimal digit is a letter of one of these scripts.
    @inline(__always)
    static func contain(_ scalar: Unicode.Scalar) -> Bool {
        // Thai is the first of them; most letters come before it.
        scalar.value >= 0x0E01 && isListed(scalar.value)
    }

    /// Whether a letter of them changes the one before it, as the half-width marks of voiced kana
    /// do, which are letters by category.
    static func isMark(_ letter: Unicode.Scalar) -> Bool { (0xFF9E...0xFF9F).contains(letter.value) }

    private static func isListed(_ value: UInt32) -> Bool {
        switch value {
        case 0x0E01...0x0E4E,  // Thai
            0x0E81...0x0EC6, 0x0EDC...0x0EDF,  // Lao
            0x1000...0x103F, 0x1050...0x108F, 0x109A...0x109F,  // Myanmar
            0xA9E0...0xA9EF, 0xA9FA...0xA9FE, 0xAA60...0xAA7F,
            0x1780...0x17DC,  // Khmer
            0x3005...0x3006, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x3FFFD,  // Han
            0x3031...0x3035, 0x303B...0x303C, 0x3041...0x3096, 0x309D...0x309F, 0x30A1...0x30FA,  // kana
            0x30FC...0x30FF, 0x31F0...0x31FF, 0xFF66...0xFF9F, 0x1AFF0...0x1B16F:
            true
        default: false
        }
    }
}
