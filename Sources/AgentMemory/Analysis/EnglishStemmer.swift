/// The English stemmer of Snowball 2.2.0, known as Porter2, written from the description of the
/// algorithm at https://snowballstem.org/algorithms/english/stemmer.html. Later versions of
/// Snowball stem some words differently, so a stored index depends on the version.
///
/// Words are in lower case. Everything except `aeiouy` counts as a consonant, digits and letters
/// beyond ASCII included.
struct EnglishStemmer: Sendable {
    /// The stem of `word`.
    func stem(_ word: String) -> String {
        var bytes = Array(word.utf8)
        stem(&bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Replaces `word`, which is UTF-8, by its stem.
    func stem(_ word: inout [UInt8]) {
        guard word.contains(where: { $0 >= 0x80 }) else {
            Self.stemUnits(&word)
            return
        }
        // The algorithm counts characters. A character beyond ASCII is one unit while it runs. None
        // is ever added, removed or moved, so that they can be restored in their order.
        var units = word.filter { $0 < 0x80 || $0 >= 0xC0 }
        for index in units.indices where units[index] >= 0x80 { units[index] = Self.beyondASCII }
        Self.stemUnits(&units)
        var characters = word.filter { $0 >= 0x80 }[...]
        word.removeAll(keepingCapacity: true)
        for unit in units {
            guard unit == Self.beyondASCII else {
                word.append(unit)
                continue
            }
            if let lead = characters.popFirst() { word.append(lead) }
            while let tail = characters.first, tail < 0xC0 {
                word.append(tail)
                characters.removeFirst()
            }
        }
    }

    private static let beyondASCII: UInt8 = 0xFF

    private static func stemUnits(_ word: inout [UInt8]) {
        guard word.count >= 3, !replaceException(&word) else { return }
        let marked = markConsonantYs(&word)
        let (r1, r2) = regions(of: word)
        removePlural(&word)
        if !isKeptAfterPlural(word) {
            removePastOrGerund(&word, r1: r1)
            turnFinalY(&word)
            EnglishSuffixes.derivational.apply(to: &word, regionStart: r1, r2: r2)
            EnglishSuffixes.adjectival.apply(to: &word, regionStart: r1, r2: r2)
            EnglishSuffixes.residual.apply(to: &word, regionStart: r2, r2: r2)
            removeFinalEOrL(&word, r1: r1, r2: r2)
        }
        if marked {
            for index in word.indices where word[index] == UInt8(ascii: "Y") { word[index] = UInt8(ascii: "y") }
        }
    }

    // MARK: Exceptions

    /// Handles the words with a stem of their own. Returns whether `word` is one of them.
    private static func replaceException(_ word: inout [UInt8]) -> Bool {
        switch word.count {
        case 3:
            return word.equals("sky")
        case 4:
            if word.equals("skis") || word.equals("idly") {
                word.removeLast()
                return true
            }
            if word.equals("ugly") || word.equals("only") {
                word.replaceLast(1, by: "i")
                return true
            }
            return word.equals("news") || word.equals("howe") || word.equals("bias")
        case 5:
            if word.equals("skies") {
                word.replaceLast(3, by: "y")
                return true
            }
            if word.equals("dying") || word.equals("lying") || word.equals("tying") {
                word.replaceLast(4, by: "ie")
                return true
            }
            if word.equals("early") {
                word.replaceLast(1, by: "i")
                return true
            }
            return word.equals("atlas") || word.equals("andes")
        case 6:
            if word.equals("gently") || word.equals("singly") {
                word.removeLast()
                return true
            }
            return word.equals("cosmos")
        default:
            return false
        }
    }

    /// Words that look inflected but are not.
    private static func isKeptAfterPlural(_ word: [UInt8]) -> Bool {
        switch word.count {
        case 6: word.equals("inning") || word.equals("outing") || word.equals("exceed")
        case 7:
            word.equals("canning") || word.equals("herring") || word.equals("earring") || word.equals("proceed")
                || word.equals("succeed")
        default: false
        }
    }

    // MARK: Preparation

    /// Removes an apostrophe at the start and writes each y that is a consonant, at the start or
    /// after a vowel, as Y. Returns whether there is one.
    private static func markConsonantYs(_ word: inout [UInt8]) -> Bool {
        if word.first == UInt8(ascii: "'") { word.removeFirst() }
        var marked = false
        for index in word.indices where word[index] == UInt8(ascii: "y") {
            if index == 0 || word[index - 1].isVowel {
                word[index] = UInt8(ascii: "Y")
                marked = true
            }
        }
        return marked
    }

    /// Where R1 and R2 start: R1 after the first consonant that follows a vowel, R2 likewise within
    /// R1.
    private static func regions(of word: [UInt8]) -> (r1: Int, r2: Int) {
        func afterVowelAndConsonant(from start: Int) -> Int {
            guard let vowel = word[start...].firstIndex(where: \.isVowel),
                let consonant = word[vowel...].firstIndex(where: { !$0.isVowel })
            else { return word.count }
            return consonant + 1
        }
        let r1 =
            if word.hasPrefix("gener") || word.hasPrefix("arsen") {
                5
            } else if word.hasPrefix("commun") {
                6
            } else {
                afterVowelAndConsonant(from: 0)
            }
        return (r1, afterVowelAndConsonant(from: r1))
    }

    // MARK: Steps

    /// Step 1a: 's and plurals.
    private static func removePlural(_ word: inout [UInt8]) {
        if word.hasSuffix("'s'") {
            word.removeLast(3)
        } else if word.hasSuffix("'s") {
            word.removeLast(2)
        } else if word.hasSuffix("'") {
            word.removeLast()
        }
        if word.hasSuffix("sses") {
            word.removeLast(2)
        } else if word.hasSuffix("ied") || word.hasSuffix("ies") {
            word.removeLast(word.count > 4 ? 2 : 1)
        } else if word.hasSuffix("s"), !word.hasSuffix("us"), !word.hasSuffix("ss") {
            // A vowel is needed, and not just before the s: gas and this stay.
            if word.dropLast(2).contains(where: \.isVowel) { word.removeLast() }
        }
    }

    /// Step 1b: -ed, -ing and their adverbs.
    private static func removePastOrGerund(_ word: inout [UInt8], r1: Int) {
        if word.hasSuffix("eedly") {
            if word.count - 5 >= r1 { word.removeLast(3) }
            return
        }
        if word.hasSuffix("eed") {
            if word.count - 3 >= r1 { word.removeLast() }
            return
        }
        let length =
            if word.hasSuffix("ingly") {
                5
            } else if word.hasSuffix("edly") {
                4
            } else if word.hasSuffix("ing") {
                3
            } else if word.hasSuffix("ed") {
                2
            } else {
                0
            }
        guard length > 0, word.dropLast(length).contains(where: \.isVowel) else { return }
        word.removeLast(length)
        if word.hasSuffix("at") || word.hasSuffix("bl") || word.hasSuffix("iz") {
            word.append(UInt8(ascii: "e"))
        } else if endsInDouble(word) {
            word.removeLast()
        } else if word.count == r1, endsInShortSyllable(word[...]) {
            word.append(UInt8(ascii: "e"))
        }
    }

    /// Step 1c: a final y after a consonant that is not the first letter becomes i.
    private static func turnFinalY(_ word: inout [UInt8]) {
        guard word.count > 2, let last = word.last, last | 0x20 == UInt8(ascii: "y") else { return }
        if !word[word.count - 2].isVowel { word[word.count - 1] = UInt8(ascii: "i") }
    }

    /// Step 5: a final e, and one l of two.
    private static func removeFinalEOrL(_ word: inout [UInt8], r1: Int, r2: Int) {
        let stemLength = word.count - 1
        if word.last == UInt8(ascii: "e") {
            if stemLength >= r2 || (stemLength >= r1 && !endsInShortSyllable(word.dropLast())) { word.removeLast() }
        } else if stemLength >= r2, word.hasSuffix("ll") {
            word.removeLast()
        }
    }

    private static func endsInDouble(_ word: [UInt8]) -> Bool {
        guard word.count >= 2, let last = word.last, last == word[word.count - 2] else { return false }
        return switch last {
        case UInt8(ascii: "b"), UInt8(ascii: "d"), UInt8(ascii: "f"), UInt8(ascii: "g"), UInt8(ascii: "m"),
            UInt8(ascii: "n"), UInt8(ascii: "p"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            true
        default: false
        }
    }

    /// Whether `word` ends in consonant, vowel, consonant other than w, x and Y, or is a vowel and
    /// a consonant.
    private static func endsInShortSyllable(_ word: ArraySlice<UInt8>) -> Bool {
        let end = word.endIndex
        if word.count == 2 { return word[end - 2].isVowel && !word[end - 1].isVowel }
        guard word.count >= 3, !word[end - 3].isVowel, word[end - 2].isVowel else { return false }
        return switch word[end - 1] {
        case UInt8(ascii: "w"), UInt8(ascii: "x"), UInt8(ascii: "Y"): false
        default: !word[end - 1].isVowel
        }
    }
}
