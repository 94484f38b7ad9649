/// Unicode normalisation form C of UTF-8 bytes, in time that grows with their number and not with
/// its square.
///
/// Foundation normalises too, but its composition takes a minute for half a megabyte of combining
/// marks, reads a character beyond the Basic Multilingual Plane as another one (U+10430 U+0308
/// becomes U+04D3, in Swift 6.3 on Linux) and is slow on text that needs no change. So the
/// algorithm of UAX #15 is implemented here, over ``CompositionData``, and it runs only on the few
/// characters around those that normalisation may concern.
enum CanonicalComposition {
    /// The composed form of `bytes`, which are valid UTF-8, or nil if they are in that form already
    /// because all their scalars are inert.
    static func compose(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        var output: [UInt8] = []
        var segment: [Unicode.Scalar] = []
        var copied = 0
        var previous = 0
        var index = 0
        while index < bytes.count {
            // Everything below U+0300, whose lead bytes are below 0xCC, is inert.
            if bytes[index] < 0xCC {
                previous = index
                index += bytes[index] < 0x80 ? 1 : 2
                continue
            }
            let (scalar, length) = UTF8Decoding.scalar(in: bytes, at: index)
            if isInert(scalar) {
                previous = index
                index += length
                continue
            }
            // The segment starts with the inert scalar before, with which a mark may compose, and
            // ends before the next.
            let start = max(previous, copied)
            if output.isEmpty { output.reserveCapacity(bytes.count) }
            output.append(contentsOf: bytes[copied..<start])
            index = collectSegment(in: bytes, from: start, into: &segment)
            reorder(&segment)
            appendComposed(segment, to: &output)
            copied = index
        }
        guard copied > 0 else { return nil }
        output.append(contentsOf: bytes[copied...])
        return output
    }

    /// Whether `scalar` keeps its form and its place next to any other scalar: it is a starter
    /// (combining class 0) whose quick-check property NFC_QC is Yes. `false` for an inert scalar
    /// costs only time: ranges with scattered exceptions, and those that Unicode may still assign,
    /// count as not inert as a whole.
    static func isInert(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x300:
            true
        case 0x0374, 0x037E, 0x0387,  // Greek signs that are another character's double
            0x0958...0x095F, 0x09DC...0x09DF, 0x0A33...0x0A36, 0x0A59...0x0A5E, 0x0B5C...0x0B5D,
            0x0F43...0x0FB9,  // letters of Indic scripts and Tibetan that are always decomposed
            0x1160...0x11FF,  // Hangul vowels and final consonants
            0x1F00...0x1FFF,  // Greek Extended
            0x2000...0x2001, 0x2126...0x212B, 0x2329...0x232A, 0x2ADC,  // doubles among the symbols
            0xF900...0xFAFF, 0xFB1D...0xFB4F:  // compatibility ideographs, Hebrew presentation forms
            false
        case 0xAC00...0xD7A3, 0x4E00...0x9FFF, 0x1F000...0x1FAFF, 0x20000...0x2F7FF:  // Hangul, Han, emoji
            true
        case 0x10000...:
            false
        default:
            !scalar.properties.generalCategory.isMark
        }
    }

    // MARK: The three parts of the algorithm

    /// Replaces `segment` by the decomposed scalars from `start` to the next inert one, whose index
    /// is returned.
    private static func collectSegment(
        in bytes: UnsafeBufferPointer<UInt8>, from start: Int, into segment: inout [Unicode.Scalar]
    ) -> Int {
        segment.removeAll(keepingCapacity: true)
        var index = start
        while index < bytes.count {
            let (scalar, length) = UTF8Decoding.scalar(in: bytes, at: index)
            if index > start, isInert(scalar) { break }
            CompositionData.shared.decompose(scalar) { segment.append($0) }
            index += length
        }
        return index
    }

    /// Puts each row of marks in the order of their combining classes; marks of one class keep
    /// theirs.
    private static func reorder(_ segment: inout [Unicode.Scalar]) {
        var index = 0
        while index < segment.count {
            guard segment[index].combiningClass != 0 else {
                index += 1
                continue
            }
            let end = segment[index...].firstIndex { $0.combiningClass == 0 } ?? segment.count
            // Sorting in Swift is not guaranteed to be stable, so the position is part of the key.
            let marks = segment[index..<end].enumerated().map { (key: ($1.combiningClass, $0), scalar: $1) }
            for (offset, mark) in marks.sorted(by: { $0.key < $1.key }).enumerated() {
                segment[index + offset] = mark.scalar
            }
            index = end
        }
    }

    /// Appends `segment`, decomposed and in order, composed as far as possible.
    private static func appendComposed(_ segment: [Unicode.Scalar], to output: inout [UInt8]) {
        var starter: Unicode.Scalar?
        // The marks that follow the starter and did not compose with it.
        var marks: [Unicode.Scalar] = []
        for scalar in segment {
            let blocked = marks.last.map { $0.combiningClass >= scalar.combiningClass } ?? false
            if !blocked, let base = starter, let composed = CompositionData.shared.composite(base, scalar) {
                starter = composed
            } else if scalar.combiningClass == 0 {
                if let starter { output.append(starter) }
                for mark in marks { output.append(mark) }
                marks.removeAll(keepingCapacity: true)
                starter = scalar
            } else {
                marks.append(scalar)
            }
        }
        if let starter { output.append(starter) }
        for mark in marks { output.append(mark) }
    }
}

extension Unicode.Scalar {
    fileprivate var combiningClass: UInt8 { properties.canonicalCombiningClass.rawValue }
}

extension [UInt8] {
    /// Appends the UTF-8 bytes of `scalar`.
    mutating func append(_ scalar: Unicode.Scalar) {
        append(contentsOf: scalar.utf8)
    }
}

extension Unicode.GeneralCategory {
    /// M*: a mark that belongs to the character before it.
    var isMark: Bool {
        switch self {
        case .nonspacingMark, .spacingMark, .enclosingMark: true
        default: false
        }
    }

    /// L* or Nd: what makes a run of characters a word.
    var isLetterOrDecimalDigit: Bool {
        switch self {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber: true
        default: false
        }
    }
}
