#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What the file of a shared library contains (ELF, little-endian, 64 bits), so that an error can
/// say more than the loader: glibc reports a library for another machine as a missing file.
struct ELFFile {
    private static let header = 64
    private static let dynamicSymbols: UInt32 = 11  // SHT_DYNSYM

    private let data: Data
    /// e_machine, such as 62 for x86-64.
    let machine: UInt16

    enum Problem: Error {
        case unreadable
        case notELF
        /// Of 32 bits, or big-endian.
        case foreignLayout
    }

    /// - Throws: ``Problem``.
    init(path: String) throws(Problem) {
        guard let data = try? Data(contentsOf: URL(filePath: path), options: .mappedIfSafe) else {
            throw .unreadable
        }
        guard data.count >= Self.header, data.prefix(4).elementsEqual([0x7F, 0x45, 0x4C, 0x46]) else { throw .notELF }
        guard data[data.startIndex + 4] == 2, data[data.startIndex + 5] == 1 else { throw .foreignLayout }
        self.data = data
        machine = Self.number(data, at: 18) ?? 0
    }

    /// The machine of this program; `nil` if that cannot be read.
    static var ownMachine: UInt16? { try? ELFFile(path: "/proc/self/exe").machine }

    static func name(ofMachine machine: UInt16) -> String {
        switch machine {
        case 3: "x86 (32 bits)"
        case 40: "ARM (32 bits)"
        case 62: "x86-64"
        case 183: "ARM64"
        case 243: "RISC-V"
        default: "machine \(machine)"
        }
    }

    /// The functions that the library exports; empty for a damaged file.
    func exportedFunctions() -> [String] {
        guard let sections: UInt64 = Self.number(data, at: 40), let count: UInt16 = Self.number(data, at: 60) else {
            return []
        }
        for index in 0..<Int(count) {
            guard let section = self.section(index, from: sections) else { return [] }
            guard section.type == Self.dynamicSymbols else { continue }
            guard let strings = self.section(Int(section.link), from: sections) else { return [] }
            return functions(in: section, strings: strings)
        }
        return []
    }

    private struct Section {
        let type: UInt32
        let offset: Int
        let size: Int
        let link: UInt32
    }

    private func section(_ index: Int, from table: UInt64) -> Section? {
        guard let base = Int(exactly: table)?.addingReportingOverflow(index * 64), !base.overflow else { return nil }
        let start = base.partialValue
        guard let type: UInt32 = Self.number(data, at: start + 4),
            let offset: UInt64 = Self.number(data, at: start + 24),
            let size: UInt64 = Self.number(data, at: start + 32),
            let link: UInt32 = Self.number(data, at: start + 40), let offset = Int(exactly: offset),
            let size = Int(exactly: size), offset <= data.count, size <= data.count - offset
        else { return nil }
        return Section(type: type, offset: offset, size: size, link: link)
    }

    private func functions(in symbols: Section, strings: Section) -> [String] {
        let symbolSize = 24
        return (0..<symbols.size / symbolSize).compactMap { index in
            let start = symbols.offset + index * symbolSize
            guard let name: UInt32 = Self.number(data, at: start), let info: UInt8 = Self.number(data, at: start + 4),
                let section: UInt16 = Self.number(data, at: start + 6)
            else { return nil }
            // A global or weak function that is defined here.
            guard info & 0xF == 2, info >> 4 == 1 || info >> 4 == 2, section != 0, Int(name) < strings.size else {
                return nil
            }
            let text = data.dropFirst(strings.offset + Int(name)).prefix(strings.size - Int(name)).prefix { $0 != 0 }
            return String(decoding: text, as: UTF8.self)
        }
    }

    private static func number<Number: FixedWidthInteger>(_ data: Data, at offset: Int) -> Number? {
        let size = MemoryLayout<Number>.size
        guard offset >= 0, offset <= data.count - size else { return nil }
        return data.dropFirst(offset).prefix(size).reversed().reduce(0) { $0 << 8 | Number($1) }
    }
}
