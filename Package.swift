// swift-tools-version: 6.2
import PackageDescription

/// "make test" sets this. Its debug build is optimised, because the conformance kit and the servers that it
/// starts compute for minutes otherwise, and it fetches what the example packages need, so that all packages
/// share one build folder. Packages that depend on this one never see it: they may not use unsafe flags.
let isTestBuild = Context.environment["AGENT_MEMORY_TEST_BUILD"] == "1"
let optimization: [SwiftSetting] =
    isTestBuild ? [.unsafeFlags(["-O"], .when(configuration: .debug))] : []
let exampleDependencies: [Package.Dependency] =
    isTestBuild ? [.package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0")] : []

/// Every target is built with the same strictness: explicit existentials, explicit imports of every member used,
/// and imports that do not leak into a module's interface unless they say so.
let strict: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ] + optimization

/// Tests are no one's interface.
let testing: [SwiftSetting] = [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny")]

/// The modules of the Python program that runs backends written in Python.
let bridge = [
    "backend", "bootstrap", "bridge", "busy_records", "channel", "conditions", "embeddings", "exact_json",
    "factory", "failures", "matching", "operations", "paging", "plain_model", "recency", "records",
    "shim_filters", "shim_llm__embeddings", "shim_memory_vector_db", "shim_models",
]

let package = Package(
    name: "agent-memory",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "agent-memory", targets: ["agent-memory"]),
        .library(name: "AgentMemory", targets: ["AgentMemory"]),
        .library(name: "MemoryBackendSDK", targets: ["MemoryBackendSDK"]),
        .library(name: "MemoryConformance", targets: ["MemoryConformance"]),
        .library(name: "ReferenceBackend", targets: ["ReferenceBackend"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.30.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        // Without its reader of settings, which would compile a package more.
        .package(
            url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: ["FullFoundation"]),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ] + exampleDependencies,
    targets: [
        // C libraries: a module map and a shim each, imported by exactly one driver.
        .systemLibrary(
            name: "CHiredis", pkgConfig: "hiredis", providers: [.apt(["libhiredis-dev"]), .brew(["hiredis"])]),
        .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"]), .brew(["libpq"])]),
        .systemLibrary(
            name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"]), .brew(["curl"])]),

        // The border to backends that are loaded: a header without a library. Both of its sides import it.
        .systemLibrary(name: "CMemoryBackend"),
        .target(
            name: "BackendProtocol", dependencies: ["AgentMemory"], exclude: ["README.md"], swiftSettings: strict),
        .target(
            name: "MemoryBackendSDK", dependencies: ["AgentMemory", "BackendProtocol", "CMemoryBackend"],
            exclude: ["README.md"], swiftSettings: strict),

        // The domain.
        .target(
            name: "AgentMemory",
            dependencies: [.product(name: "Crypto", package: "swift-crypto")],
            exclude: ["README.md"],
            swiftSettings: strict),

        // The contract in memory.
        .target(
            name: "ReferenceBackend", dependencies: ["AgentMemory"], exclude: ["README.md"], swiftSettings: strict),

        // Redis with search.
        .target(
            name: "RedisDriver",
            dependencies: [
                "CHiredis",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            exclude: ["README.md"],
            swiftSettings: strict),
        .target(
            name: "RedisBackend",
            dependencies: [
                "AgentMemory", "RedisDriver",
                .product(name: "Logging", package: "swift-log"),
            ],
            exclude: ["README.md"],
            swiftSettings: strict),

        // Postgres with pgvector.
        .target(
            name: "Migrations", path: "Migrations", exclude: ["README.md"],
            resources: [
                .embedInCode("0001_create_memories.sql"),
                .embedInCode("0002_create_sessions_and_jobs.sql"),
                .embedInCode("0003_create_vector_spaces.sql"),
                .embedInCode("0004_create_deletions.sql"),
            ], swiftSettings: strict),
        .target(
            name: "PostgresDriver",
            dependencies: [
                "CPostgres",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ],
            exclude: ["README.md"],
            swiftSettings: strict),
        .target(
            name: "PostgresBackend",
            dependencies: [
                "AgentMemory", "PostgresDriver", "Migrations",
                .product(name: "Logging", package: "swift-log"),
            ],
            exclude: ["README.md"],
            swiftSettings: strict),

        // Embedding services.
        .target(
            name: "HTTPClient",
            dependencies: ["CCurl", .product(name: "Logging", package: "swift-log")],
            exclude: ["README.md"],
            swiftSettings: strict),
        .target(name: "SentenceModel", dependencies: ["AgentMemory"], exclude: ["README.md"], swiftSettings: strict),
        .target(
            name: "Embeddings",
            dependencies: [
                "AgentMemory", "HTTPClient", "SentenceModel",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
            ],
            exclude: ["README.md"],
            swiftSettings: strict),

        // The server.
        .target(
            name: "BackendLoading",
            dependencies: [
                "AgentMemory", "BackendProtocol", "CMemoryBackend",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            exclude: ["README.md", "Python/README.md"],
            resources: bridge.map { .embedInCode("Python/Bridge/\($0).py") },
            swiftSettings: strict),
        .target(
            name: "MemoryService",
            dependencies: [
                "AgentMemory",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            exclude: ["README.md"],
            swiftSettings: strict),
        .target(
            name: "MemoryHTTP",
            dependencies: [
                "AgentMemory", "MemoryService",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            exclude: ["README.md"],
            swiftSettings: strict),
        .executableTarget(
            name: "agent-memory",
            dependencies: [
                "AgentMemory", "BackendHarnesses", "BackendLoading", "Embeddings", "HTTPClient", "MemoryConformance",
                "MemoryHTTP", "MemoryService", "Migrations",
                "PostgresBackend", "PostgresDriver", "RESTConformance", "RedisBackend", "RedisDriver",
                "ReferenceBackend",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            exclude: ["README.md"],
            swiftSettings: strict),

        // The executable contract.
        .target(
            name: "MemoryConformance", dependencies: ["AgentMemory"], exclude: ["README.md"], swiftSettings: strict),
        .target(
            name: "RESTConformance", dependencies: ["AgentMemory", "HTTPClient", "MemoryConformance"],
            exclude: ["README.md"], swiftSettings: strict),

        .target(
            name: "BackendHarnesses",
            dependencies: [
                "AgentMemory", "BackendLoading", "MemoryConformance", "PostgresBackend", "PostgresDriver",
                "RedisBackend",
                "RedisDriver", "ReferenceBackend",
                .product(name: "Logging", package: "swift-log"),
            ],
            exclude: ["README.md"],
            swiftSettings: strict),

        // Tests. Those of drivers, backends and the server talk to real services, which `make test` starts.
        .testTarget(
            name: "AgentMemoryTests", dependencies: ["AgentMemory", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: testing),
        .testTarget(
            name: "MemoryServiceTests",
            dependencies: [
                "AgentMemory", "MemoryConformance", "MemoryService", "ReferenceBackend",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: testing),
        .testTarget(
            name: "MemoryHTTPTests",
            dependencies: [
                "AgentMemory", "MemoryConformance", "MemoryHTTP", "MemoryService", "ReferenceBackend",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            exclude: ["reference-working-memory.jsonl"], swiftSettings: testing),
        .testTarget(name: "SettingsTests", dependencies: ["agent-memory"], swiftSettings: testing),
        .target(name: "TestServices", path: "Tests/Services", exclude: ["README.md"], swiftSettings: testing),
        .target(
            name: "FakeEmbeddings", dependencies: ["HTTPClient"], path: "Tests/Support",
            exclude: ["README.md", "fake_embeddings.py"],
            swiftSettings: testing),
        .target(
            name: "BackendFixtures", path: "Tests/BackendFixtures",
            exclude: [
                "README.md", "base.h", "lifetimes.c", "misbehaving.c", "missing_dependency", "undefined_symbol.c",
            ], swiftSettings: testing),
        .testTarget(
            name: "BackendProtocolTests", dependencies: ["AgentMemory", "BackendProtocol"], exclude: ["validate.py"],
            swiftSettings: testing),
        .testTarget(
            name: "BackendLoadingTests",
            dependencies: [
                "AgentMemory", "BackendFixtures", "BackendLoading", "MemoryConformance",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: testing),
        .testTarget(name: "HTTPClientTests", dependencies: ["FakeEmbeddings", "HTTPClient"], swiftSettings: testing),
        .testTarget(
            name: "SentenceModelTests", dependencies: ["AgentMemory", "SentenceModel"], exclude: ["Fixtures"],
            swiftSettings: testing),
        .testTarget(
            name: "EmbeddingsTests",
            dependencies: [
                "AgentMemory", "Embeddings", "FakeEmbeddings", "HTTPClient",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: testing),
        .testTarget(
            name: "RedisDriverTests",
            dependencies: [
                "RedisDriver",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: testing),
        .testTarget(
            name: "RedisBackendTests",
            dependencies: [
                "AgentMemory", "RedisBackend", "RedisDriver", "TestServices",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: testing),
        .testTarget(
            name: "PostgresDriverTests",
            dependencies: ["PostgresDriver", "TestServices", .product(name: "Logging", package: "swift-log")],
            exclude: ["README.md"], swiftSettings: testing),
        .testTarget(
            name: "PostgresBackendTests",
            dependencies: [
                "AgentMemory", "Migrations", "PostgresBackend", "PostgresDriver", "TestServices",
                .product(name: "Logging", package: "swift-log"),
            ],
            exclude: ["README.md"], swiftSettings: testing),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "agent-memory", "AgentMemory", "BackendFixtures", "FakeEmbeddings", "HTTPClient", "MemoryConformance",
                "PostgresDriver",
                "RESTConformance", "RedisDriver", "TestServices",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            exclude: [
                "README.md", "integrations.py", "late_server.py", "official_client.py", "read_index.py",
                "working_memory.py",
            ], swiftSettings: testing),
        .testTarget(
            name: "ConformanceTests",
            dependencies: [
                "AgentMemory", "BackendHarnesses", "MemoryConformance", "PostgresBackend", "PostgresDriver",
                "RESTConformance", "RedisBackend", "RedisDriver", "ReferenceBackend", "TestServices",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: testing),
    ]
)
