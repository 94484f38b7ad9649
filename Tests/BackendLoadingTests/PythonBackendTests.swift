import AgentMemory
import BackendFixtures
import BackendLoading
import Foundation
import TestSupport
import Testing

/// Backends in Python: the four failures, and a program that dies.
@Suite(.tags(.alone)) struct PythonBackendTests {
    /// A folder in which the interpreters that tests start look for modules, next to that of the
    /// example.
    private static let modules: URL = {
        let folder = FixtureLibrary.folder.appendingPathComponent("modules")
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let example = FixtureLibrary.project.appendingPathComponent("Examples/python-backend")
        setenv("PYTHONPATH", "\(folder.path):\(example.path)", 1)
        return folder
    }()

    /// Makes a module.
    ///
    /// - Returns: its name.
    private func module(_ source: String) throws -> String {
        let name = "module_\(UUID().uuidString.prefix(8))"
        try Data(source.utf8).write(to: Self.modules.appendingPathComponent("\(name).py"))
        return name
    }

    @Test(
        arguments: [
            ("import nobody_has_this", .importError, ["nobody_has_this"]),
            ("def create(:", .importError, [".py", "line 1"]),
            ("def create_acme(embeddings): pass", .functionNotFound, ["create_acme"]),
            ("def create(embeddings): pass", .invalidReturnType, ["None"]),
            ("def create(embeddings): return 7", .invalidReturnType, ["int"]),
            (
                "def create(embeddings): raise RuntimeError('the licence has expired')", .runtimeError,
                ["RuntimeError", "the licence has expired"]
            ),
            ("import os\ndef create(embeddings): os._exit(3)", .runtimeError, ["exit status 3"]),
            // Frames that are none: too long to be one, and one that is not JSON.
            ("import os\ndef create(embeddings): os.write(3, b'\\xff' * 64)", .runtimeError, []),
            (
                "import os\ndef create(embeddings):\n  os.write(3, b'\\1\\0\\0\\0{')\n  os._exit(4)", .runtimeError,
                ["status 4"]
            ),
        ] as [(String, BackendFactoryError.Code, [String])])
    func failures(_ source: String, _ code: BackendFactoryError.Code, _ parts: [String]) async throws {
        let factory = "\(try module(source)).create"
        let failure = try #require(await LoaderFixture().failure("python:\(factory)"))
        #expect(failure.code == code, "\(failure)")
        for part in ["python:\(factory): "] + parts {
            #expect(failure.message.contains(part), "\(part) is not in: \(failure)")
        }
    }

    @Test func `a module that is not there`() async throws {
        let failure = try #require(await LoaderFixture().failure("python:nobody_has_this.create"))
        #expect(failure.code == .importError, "\(failure)")
        #expect(failure.message.contains("nobody_has_this") && failure.message.contains("PYTHONPATH"), "\(failure)")
    }

    @Test func `an interpreter that is not there`() async throws {
        let failure = try #require(await LoaderFixture(python: "/nowhere/python3").failure("python:a.create"))
        #expect(failure.code == .importError)
        #expect(failure.field == .python)
    }

    @Test func `a program that dies is started again`() async throws {
        let source = """
            import os
            import my_backends
            class Mortal(my_backends.create_my_backend(None).__class__):
                async def delete_memories(self, memory_ids):
                    os.kill(os.getpid(), 9)
            def create(embeddings):
                return Mortal(embeddings)
            """
        let module = try module(source)
        let fixture = LoaderFixture()
        try await fixture.with("python:\(module).create") { (backend) async throws in
            let upkeep = Task { try await backend.run() }
            #expect(try await backend.add([MemoryRecord(id: "a", text: "tea")]) == ["a"])
            let error = await #expect(throws: MemoryError.self) { try await backend.delete(["a"]) }
            #expect(error?.code == .storeUnavailable)
            // It comes back by itself, with another, empty memory.
            try await eventually {
                do {
                    return try await backend.count(.everything) == 0
                } catch let error as MemoryError {
                    #expect(error.code == .storeUnavailable, "\(error)")
                    return false
                }
            }
            #expect(try await fixture.log.has("signal 9", "\(module).create"))
            upkeep.cancel()
            _ = await upkeep.result
        }
    }

    /// A process that the backend has forked holds the socket to the server open. One with a
    /// session of its own also outlives the group.
    @Test(arguments: [false, true])
    func `the end of a program is seen although a process of it lives`(_ hasItsOwnSession: Bool) async throws {
        let source = """
            import os, time
            import my_backends
            class Forking(my_backends.create_my_backend(None).__class__):
                async def add_memories(self, memories):
                    if os.fork() == 0:
                        \(hasItsOwnSession ? "os.setsid()" : "pass")
                        time.sleep(8)
                        os._exit(0)
                    return await super().add_memories(memories)
                async def delete_memories(self, memory_ids):
                    os.kill(os.getpid(), 9)
            def create(embeddings):
                return Forking(embeddings)
            """
        let module = try module(source)
        let fixture = LoaderFixture()
        let clock = ContinuousClock()
        var closing = clock.now
        try await fixture.with("python:\(module).create") { (backend) async throws in
            let upkeep = Task { try await backend.run() }
            #expect(try await backend.add([MemoryRecord(id: "a", text: "tea")]) == ["a"])
            let killed = clock.now
            let error = await #expect(throws: MemoryError.self) { try await backend.delete(["a"]) }
            #expect(error?.code == .storeUnavailable)
            #expect(clock.now - killed < .seconds(4))
            // The next program holds up the close in the same way.
            try await eventually {
                do {
                    return try await backend.add([MemoryRecord(id: "b", text: "tea")]) == ["b"]
                } catch let error as MemoryError where error.code == .storeUnavailable {
                    return false
                }
            }
            upkeep.cancel()
            _ = await upkeep.result
            closing = clock.now
        }
        #expect(clock.now - closing < .seconds(4))
    }

    @Test func `calls that take too long`() async throws {
        let source = """
            import asyncio
            import my_backends
            class Slow(my_backends.create_my_backend(None).__class__):
                async def delete_memories(self, memory_ids):
                    await asyncio.sleep(3600)
            def create(embeddings):
                return Slow(embeddings)
            """
        let module = try module(source)
        let fixture = LoaderFixture(timeout: .seconds(2))
        try await fixture.with("python:\(module).create") { (backend) async throws in
            let error = await #expect(throws: MemoryError.self) { try await backend.delete(["a"]) }
            #expect(error?.code == .timedOut)
            #expect(try await backend.count(.everything) == 0)
        }
    }
}
