/// Values that break software that reads them as syntax, folds them, or truncates them.
enum HostileStrings {
    /// Distinct code point by code point; valid as ids, tag values (no comma, no surrounding
    /// blanks) and filter values.
    static let tags: [String] = [
        "plain", "Plain", "PLAIN", "two words", "auth0|abc", "a|b", "{braces}", "[brackets]", "(parens)", "star*", "*",
        "%",
        "100%", "under_score", "a%b", "back\\slash", "\\", "quote\"double", "quote'single", "''", "\"", "`tick`",
        "semi;colon",
        "at@sign", "$dollar", "$p", ":colon", "a:b", "-minus", "+plus", "~tilde", "!bang", "?", "<>", "=>", "a=b",
        "#hash", "^", "&", "/",
        "a/b", "../up", "'; DROP TABLE memories; --", "@user_id:{*}", "{$u}", "%s %d", "$1", "${HOME}", "NULL", "null",
        "nil",
        "true", "0", "-1", "1e5", "é", "e\u{301}", "ÜBER", "über", "Привет", "привет", "日本語", "עברית", "مرحبا", "🙂",
        "👩‍👩‍👧", "ß", "ss", "İ", "i̇", "ı",
        "zero\u{200B}width", "\u{202E}rtl", "soft\u{AD}hyphen", "nbsp\u{A0}inside", "a.b", "a-b", "e-mail@example.com",
        "C++", "x" + String(repeating: "y", count: 499),
        String(repeating: "ü", count: 250),
    ]

    /// Texts that must be returned byte for byte.
    static let texts: [String] =
        tags + [
            " leading and trailing ", "tab\tnew\nline\r\nreturn", "\u{1}\u{1F}control", "comma, comma",
            "a\u{0301}\u{0323}", "\u{FEFF}bom",
            "ends with backslash \\", "\u{FFFF}", "\u{10FFFF}", "{\"json\": [1, 2]}", "back\u{8}space",
        ]
}
