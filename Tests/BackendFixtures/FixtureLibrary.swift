import Foundation
import Synchronization

/// Libraries that tests compile with the system's C compiler, each once.
public enum FixtureLibrary {
    public struct BuildError: Error, CustomStringConvertible {
        public let description: String
    }

    /// The project's folder.
    public static let project = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    private static let sources = project.appendingPathComponent("Tests/BackendFixtures")
    private static let flags = [
        "-std=c11", "-shared", "-fPIC", "-fvisibility=hidden",
        "-I\(project.appendingPathComponent("Sources/CMemoryBackend").path)",
    ]
    /// Compilers are waited for on a thread of their own, one after the other: those of the
    /// cooperative pool must not block.
    private static let queue = DispatchQueue(label: "fixtures")
    private static let built = Mutex<[String: Result<String, BuildError>]>([:])

    /// A folder of this process's own.
    public static let folder: URL = {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("backend-fixtures-\(ProcessInfo.processInfo.processIdentifier)")
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }()

    /// `misbehaving.c`: a factory for each thing that a backend can do wrong.
    public static func misbehaving() async throws -> String { try await library("misbehaving", ["misbehaving.c"]) }
    /// `lifetimes.c`: factories that count themselves, or that do not end.
    public static func lifetimes() async throws -> String { try await library("lifetimes", ["lifetimes.c"]) }
    /// Uses a function that no library has.
    public static func undefinedSymbol() async throws -> String {
        try await library("undefined", ["undefined_symbol.c"])
    }

    /// The example in `Examples/c-backend`.
    public static func example() async throws -> String {
        let folder = project.appendingPathComponent("Examples/c-backend")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".c") }
        return try await library("hello", files.map { folder.appendingPathComponent($0).path }, ["-O2", "-lm"])
    }

    /// Needs a second library, which was deleted.
    public static func missingDependency() async throws -> String {
        try await once("dependent") {
            let dependency = folder.appendingPathComponent("libmissing_dep.so").path
            try run("cc", ["-std=c11", "-shared", "-fPIC", path("missing_dependency/dependency.c"), "-o", dependency])
            let library = folder.appendingPathComponent("libdependent.so").path
            try run(
                "cc",
                flags + [
                    path("missing_dependency/backend.c"), "-o", library, "-L\(folder.path)", "-lmissing_dep",
                    "-Wl,-rpath,$ORIGIN", "-lpthread",
                ])
            try FileManager.default.removeItem(atPath: dependency)
            return library
        }
    }

    /// A library that says it is for another kind of processor.
    public static func foreign() async throws -> String {
        let good = try await misbehaving()
        return try await once("foreign") {
            var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: good)))
            // e_machine: AArch64 (183) where this is x86-64 (62), and the other way round.
            bytes[18] = bytes[18] == 183 ? 62 : 183
            let file = folder.appendingPathComponent("libforeign.so")
            try Data(bytes).write(to: file)
            return file.path
        }
    }

    private static func library(
        _ name: String, _ files: [String], _ more: [String] = []
    ) async throws -> String {
        try await once(name) {
            let library = folder.appendingPathComponent("lib\(name).so").path
            try run("cc", flags + files.map(path) + ["-o", library, "-lpthread"] + more)
            return library
        }
    }

    private static func path(_ file: String) -> String {
        file.hasPrefix("/") ? file : sources.appendingPathComponent(file).path
    }

    private static func once(_ name: String, _ build: @escaping @Sendable () throws -> String) async throws -> String {
        let result = await withCheckedContinuation { continuation in
            queue.async {
                let result =
                    built.withLock { $0[name] }
                    ?? Result { try build() }.mapError { BuildError(description: "\(name): \($0)") }
                built.withLock { $0[name] = result }
                continuation.resume(returning: result)
            }
        }
        return try result.get()
    }

    private static func run(_ command: String, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [command] + arguments
        let pipe = Pipe()
        process.standardError = pipe
        try process.run()
        let said = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw BuildError(description: "\(command) failed: \(String(decoding: said, as: UTF8.self))")
        }
    }
}
