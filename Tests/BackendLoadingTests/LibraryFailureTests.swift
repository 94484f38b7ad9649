import AgentMemory
import BackendFixtures
import BackendLoading
import Foundation
import TestSupport
import Testing

/// The four failures of libraries, each with a real one.
@Suite(.tags(.alone)) struct LibraryFailureTests {
    private func expect(
        _ setting: String, _ code: BackendFactoryError.Code, _ parts: [String], folders: [String] = [],
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        let failure = try #require(
            await LoaderFixture(folders: folders).failure(setting), "it was loaded", sourceLocation: location)
        #expect(failure.code == code, "\(failure)", sourceLocation: location)
        for part in ["\(setting): "] + parts {
            #expect(failure.message.contains(part), "\(part) is not in: \(failure)", sourceLocation: location)
        }
    }

    // MARK: Import errors

    @Test func `a file that is not there`() async throws {
        try await expect("/nowhere/libacme.so:create", .importError, ["there is no file /nowhere/libacme.so"])
    }

    @Test func `a dependency that is not there`() async throws {
        let library = try await FixtureLibrary.missingDependency()
        try await expect(
            "\(library):create_dependent", .importError, ["needs the library libmissing_dep.so", "LD_LIBRARY_PATH"])
    }

    @Test func `another kind of machine`() async throws {
        try await expect(
            "\(try await FixtureLibrary.foreign()):create_good", .importError,
            ["for another kind of machine", "x86-64", "ARM64"])
    }

    @Test func `a file that is not a library`() async throws {
        let file = FixtureLibrary.folder.appendingPathComponent("text.so")
        try Data("a text".utf8).write(to: file)
        try await expect("\(file.path):create_good", .importError, ["is not a shared library"])
    }

    @Test func `a function of another version`() async throws {
        try await expect(
            "\(try await FixtureLibrary.undefinedSymbol()):create_undefined", .importError,
            ["acme_function_of_another_version"])
    }

    @Test func `an unknown name without a path`() async throws {
        try await expect(
            "libnobodyhasthis.so:create", .importError, ["plugin folders", "libnobodyhasthis.so"])
    }

    @Test func `dotted names`() async throws {
        let good = URL(fileURLWithPath: try await FixtureLibrary.misbehaving())
        try await expect(
            "my_backends.create", .importError,
            ["there are no plugin folders", "python:my_backends.create"])
        try await expect(
            "acme.backends.create", .importError, ["/nowhere/acme/libbackends.so", "/opt/acme/libbackends.so"],
            folders: ["/nowhere", "/opt"])
        let folder = FixtureLibrary.folder.appendingPathComponent("acme")
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try? FileManager.default.copyItem(at: good, to: folder.appendingPathComponent("libbackends.so"))
        let folders = ["/nowhere", FixtureLibrary.folder.path]
        #expect(await LoaderFixture(folders: folders).failure("acme.backends.create_good") == nil)
        #expect(await LoaderFixture(folders: folders).failure("libmisbehaving.so:create_good") == nil)
    }

    @Test(arguments: ["mongo", ":create", "libacme.so:", "acme.", ".create", "python:", "python:create", "python:a."])
    func `names that say nothing`(_ setting: String) async throws {
        let failure = try #require(await LoaderFixture().failure(setting))
        #expect(failure.code == .unknownFactory, "\(failure)")
        #expect(failure.message.contains("such as") || failure.message.contains("libacme.so:create_my_backend"))
    }

    // MARK: The other three

    @Test func `a function that is not there`() async throws {
        let library = try await FixtureLibrary.misbehaving()
        try await expect(
            "\(library):create_nothing", .functionNotFound,
            ["no function create_nothing", "create_good", "create_twice"])
        // The library of mathematics has functions, but none that looks like a factory.
        let failure = try #require(await LoaderFixture().failure("libm.so.6:create_acme"))
        #expect(failure.code == .functionNotFound)
        #expect(failure.message.contains("exports no function that looks like a factory"), "\(failure)")
    }

    @Test(arguments: [
        ("create_null", ["NULL", "host->fail"]), ("create_wrong_magic", ["12345678", "MEMORY_BACKEND_MAGIC"]),
        ("create_wrong_version", ["version 2", "version 1"]), ("create_too_small", ["sizeof(memory_backend)"]),
        ("create_without_search", ["without search"]), ("create_bad_description", ["returns no JSON"]),
        ("create_nameless", ["name"]), ("create_empty_description", ["no JSON"]),
    ])
    func `a table that is wrong`(_ symbol: String, _ parts: [String]) async throws {
        try await expect("\(try await FixtureLibrary.misbehaving()):\(symbol)", .invalidReturnType, parts)
    }

    @Test func `a factory that fails`() async throws {
        try await expect(
            "\(try await FixtureLibrary.misbehaving()):create_failing", .runtimeError,
            [#"create_failing failed: the licence of "acme" has expired"#])
    }
}
