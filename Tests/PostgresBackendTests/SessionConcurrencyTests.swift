import AgentMemory
import TestSupport
import Testing

@testable import PostgresBackend

@Suite(.tags(.store)) struct SessionConcurrencyTests {
    @Test func `no writer of a hundred is lost`() async throws {
        try await TestStore.withSessions { store in
            let key = try SessionKey(sessionID: "s")
            let first = try await store.create(Sample.session(key))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<60 {
                    group.addTask {
                        let messages = try (0..<3).map { try Sample.message("append \(writer) \($0)") }
                        let at = Timestamp.now()
                        #expect(try await store.append(SessionAppend(messages, at: at), to: key) != nil)
                    }
                }
                for writer in 0..<40 {
                    group.addTask {
                        // As a client that reads, adds and puts back, and begins again when it came
                        // too late.
                        while true {
                            let stored = try #require(try await store.read(key, lastMessages: nil))
                            var memory = stored.memory
                            memory.messages.append(try Sample.message("put \(writer)"))
                            memory.lastAccessed = try #require(
                                Timestamp(microseconds: memory.lastAccessed.microseconds + 1))
                            do {
                                try await store.write(
                                    memory, expecting: .revision(stored.current.number), writerStamp: nil)
                                return
                            } catch let error as MemoryError where error.code == .conflict {
                                continue
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            let stored = try #require(try await store.read(key, lastMessages: nil))
            let ids = stored.memory.messages.map(\.id)
            #expect(ids.count == 220 && Set(ids).count == 220 && stored.messageCount == 220)
            #expect(stored.current.number == first.number + 100)
            let stamps = stored.revisions.map(\.stamp)
            #expect(zip(stamps, stamps.dropFirst()).allSatisfy { $0 < $1 })
            #expect(stored.memory.lastAccessed == stored.current.stamp)
            for writer in 0..<60 {
                let start = try #require(ids.firstIndex(of: "append \(writer) 0"))
                #expect(ids[start...].prefix(3) == (0..<3).map { "append \(writer) \($0)" }[...])
            }
        }
    }

    @Test func `of many creators one wins`() async throws {
        try await TestStore.withSessions { store in
            let key = try SessionKey(sessionID: "s", namespace: "n")
            let wins = try await withThrowingTaskGroup(of: Int.self) { group in
                for writer in 0..<30 {
                    group.addTask {
                        do {
                            try await store.create(Sample.session(key, [try Sample.message("by \(writer)")]))
                            return 1
                        } catch let error as MemoryError where error.code == .conflict {
                            return 0
                        }
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(wins == 1)
            #expect(try await store.read(key, lastMessages: nil)?.messageCount == 1)
        }
    }

    @Test func `readers see one moment`() async throws {
        try await TestStore.withSessions { store in
            let key = try SessionKey(sessionID: "s")
            var revision = try await store.create(Sample.session(key))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        for _ in 0..<100 {
                            let stored = try #require(try await store.read(key, lastMessages: nil))
                            #expect(stored.memory.messages.count == stored.messageCount)
                            #expect(stored.memory.memories.count == stored.messageCount)
                            #expect(stored.current.messageCount == stored.messageCount)
                            #expect(stored.current.stamp == stored.memory.lastAccessed)
                        }
                    }
                }
                for step in 1...60 {
                    let size = step % 7
                    revision = try await store.write(
                        Sample.session(
                            key, try Sample.messages(step..<step + size),
                            memories: try (0..<size).map { try Sample.memory("\(step) \($0)") }, step: Int64(step)),
                        expecting: .revision(revision.number), writerStamp: nil)
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func `marks and writes undo nothing of each other`() async throws {
        try await TestStore.withSessions { store in
            let key = try SessionKey(sessionID: "s")
            let count = 40
            try await store.create(
                Sample.session(key, memories: try (0..<count).map { try Sample.memory("\($0)") }))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<count {
                    group.addTask {
                        try await store.markPersisted(memoryIDs: ["\(number)"], messageIDs: [], at: .latest, in: key)
                    }
                    group.addTask {
                        let message = try Sample.message("\(number)")
                        _ = try await store.append(SessionAppend([message], at: .now()), to: key)
                        try await store.markPersisted(memoryIDs: [], messageIDs: ["\(number)"], at: .latest, in: key)
                    }
                }
                try await group.waitForAll()
            }
            let stored = try #require(try await store.read(key, lastMessages: nil))
            #expect(
                stored.memory.memories.count == count && stored.memory.memories.allSatisfy { $0.persistedAt == .latest }
            )
            #expect(
                stored.memory.messages.count == count && stored.memory.messages.allSatisfy { $0.persistedAt == .latest }
            )
        }
    }
}
