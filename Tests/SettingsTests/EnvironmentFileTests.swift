import Foundation
import TestSupport
import Testing

@testable import Settings

@Suite struct EnvironmentFileTests {
    @Test(
        arguments: [
            ("A=b", "b"), ("  export A = b  # comment", "b"), ("A=b#c", "b#c"), ("A=", ""), ("A=   # none", ""),
            ("A=\"b # c\" # d", "b # c"), ("A='b \\n \"c\"'", "b \\n \"c\""), ("A=\"b\\n\\\"c\\\"\"", "b\n\"c\""),
            (#"A="C:\data""#, #"C:\data"#), ("A=b=c", "b=c"), ("\u{FEFF}A=b", "b"), ("A=b\r\n", "b"),
            ("# c\r\rA=b\r", "b"),
            ("A=ü", "ü"), ("A='it''", nil), ("A=\tb c\t", "b c"),
        ] as [(String, String?)])
    func values(_ text: String, _ value: String?) throws {
        guard let value else {
            #expect(throws: EnvironmentFile.Failure.self) { try EnvironmentFile(parsing: Array(text.utf8)) }
            return
        }
        #expect(try EnvironmentFile(parsing: Array(text.utf8)).entries.map(\.value) == [value])
    }

    @Test(arguments: [
        ("A=1\nhunter2", "line 2"), ("A='hunter2", "quote of A"), ("\n\nA=\"x\" hunter2", "line 3"),
        ("B-C=hunter2", "line 1"), ("=hunter2", "line 1"), ("A=1\u{0}hunter2", "NUL"), ("Ä=hunter2", "line 1"),
    ])
    func `lines that cannot be read are named without their values`(_ text: String, _ expected: String) throws {
        let failure = #expect(throws: EnvironmentFile.Failure.self) {
            try EnvironmentFile(parsing: Array(text.utf8))
        }
        #expect(failure?.description.contains(expected) == true, "\(String(describing: failure))")
        #expect(failure?.description.contains("hunter2") == false)
    }

    @Test func `other encodings are refused`() throws {
        let text = "# für uns\nAUTH_MODE=oauth2\n"
        for encoding in [String.Encoding.isoLatin1, .utf16, .utf16LittleEndian, .utf16BigEndian, .utf32] {
            let bytes = [UInt8](try #require(text.data(using: encoding)))
            #expect(throws: EnvironmentFile.Failure.self, "\(encoding)") { try EnvironmentFile(parsing: bytes) }
        }
        let marked = [0xEF, 0xBB, 0xBF] + Array(text.utf8)
        #expect(try EnvironmentFile(parsing: marked).entries.map(\.name) == ["AUTH_MODE"])
    }

    @Test func `only a file that is not there is no file`() async throws {
        try await withTemporaryFolder {
            let folder = $0.path
            #expect(try EnvironmentFile(readingIfPresent: folder + "/.env") == nil)
            #expect(throws: EnvironmentFile.Failure.self) { try EnvironmentFile(readingIfPresent: folder) }
            let link = folder + "/link"
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "/nowhere/env")
            #expect(throws: EnvironmentFile.Failure.self) { try EnvironmentFile(readingIfPresent: link) }
            #expect(try EnvironmentFile(readingIfPresent: "/dev/null")?.entries == [])
            #expect(throws: EnvironmentFile.Failure.self) { try EnvironmentFile(readingIfPresent: "/dev/zero") }
            let file = folder + "/.env"
            try Data("A=1".utf8).write(to: URL(fileURLWithPath: file))
            #expect(try EnvironmentFile(readingIfPresent: file)?.entries.map(\.name) == ["A"])
        }
    }
}
