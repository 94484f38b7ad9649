import Foundation
import Testing

/// The tags of suites and the lanes of `Scripts/test`, which selects by name, agree.
@Suite struct LaneTests {
    /// A suite as its source declares it.
    private struct Suite: CustomStringConvertible {
        let target: String
        let name: String
        let tags: Set<String>
        /// What it needs by what its source names.
        let needs: Set<String>

        var description: String { "\(target).\(name)" }
        /// What the names of its tests begin with, as filters see them.
        var identifier: String { "\(target).\(name)/" }
    }

    /// The files of one folder of Tests.
    private struct Target {
        let name: String
        let files: [String]

        /// Every suite. It needs a service if its file names a type that reaches one: a shared or
        /// own server, a running server, or a type of a helper file that names one of these.
        var suites: [Suite] {
            let stores = reaching(["SharedServer", "OwnServer"])
            let servers = reaching(["ServerProcess", "RunningProcess"])
            return files.flatMap { file in
                let needs = (names(stores, file) ? ["store"] : []) + (names(servers, file) ? ["server"] : [])
                return file.matches(of: #/(?m)^@Suite(?<traits>\(.*\))?\s+(?:final )?(?:struct|class) (?<name>\w+)/#)
                    .map { match in
                        let listed = (match.traits ?? "").firstMatch(of: #/\.tags\((?<tags>[^)]*)\)/#)?.tags ?? ""
                        let tags = listed.split(separator: ",").map { $0.filter { !" .".contains($0) } }
                        return Suite(
                            target: name, name: String(match.name), tags: Set(tags), needs: Set(needs))
                    }
            }
        }

        /// `types` and all types of files without suites that name one of them.
        private func reaching(_ types: Set<String>) -> Set<String> {
            let declaration = #/(?m)^(?:final )?(?:struct|class|enum|actor|protocol) (?<name>\w+)/#
            var reached = types
            while true {
                let helpers = files.filter { !$0.contains("@Suite") && names(reached, $0) }
                let all = reached.union(helpers.flatMap { $0.matches(of: declaration).map { String($0.name) } })
                if all == reached { return all }
                reached = all
            }
        }

        private func names(_ types: Set<String>, _ file: String) -> Bool {
            !types.isDisjoint(with: file.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init))
        }
    }

    private static let project = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    private static func suites() throws -> [Suite] {
        let folder = project.appendingPathComponent("Tests")
        let manager = FileManager.default
        return try manager.contentsOfDirectory(atPath: folder.path).sorted().flatMap { name -> [Suite] in
            // This target names the types in strings.
            if name == "TestSupportTests" { return [] }
            let target = folder.appendingPathComponent(name)
            let paths = (manager.enumerator(atPath: target.path)?.compactMap { $0 as? String } ?? []).sorted()
            let files = try paths.filter { $0.hasSuffix(".swift") }
                .map { try String(contentsOf: target.appendingPathComponent($0), encoding: .utf8) }
            return Target(name: name, files: files).suites
        }
    }

    /// The regular expressions of `Scripts/test` by the names of their variables.
    private static func lanes() throws -> [String: Regex<AnyRegexOutput>] {
        let script = try String(contentsOf: project.appendingPathComponent("Scripts/test"), encoding: .utf8)
        var values: [String: String] = [:]
        for match in script.matches(of: #/(?m)^(?<name>untagged|stores|servers)=['"](?<value>.*)['"]$/#) {
            values[String(match.name)] = String(match.value).replacing("${untagged}", with: values["untagged"] ?? "")
        }
        return try values.filter { $0.key != "untagged" }.mapValues { try Regex($0) }
    }

    @Test func `a suite runs in the lane of its tags and in no other`() throws {
        let stores = try #require(try Self.lanes()["stores"])
        let servers = try #require(try Self.lanes()["servers"])
        let suites = try Self.suites()
        #expect(suites.count > 100)
        for suite in suites {
            #expect(
                suite.identifier.contains(stores) == !suite.tags.isDisjoint(with: ["store", "alone"]),
                "\(suite): the tags .store and .alone are for what `stores` in Scripts/test selects")
            #expect(
                suite.identifier.contains(servers) == suite.tags.contains("server"),
                "\(suite): the tag .server is for what `servers` in Scripts/test selects")
            #expect(suite.tags.count <= 1, "\(suite) has more than one lane")
        }
    }

    @Test func `a suite that needs a service says so`() throws {
        for suite in try Self.suites() {
            if suite.needs.contains("server") {
                #expect(suite.tags == ["server"], "\(suite) starts servers")
            } else if suite.needs.contains("store") {
                #expect(!suite.tags.isDisjoint(with: ["store", "server"]), "\(suite) needs a store")
            } else {
                #expect(!suite.tags.contains("store"), "\(suite) needs no store")
            }
        }
    }
}
