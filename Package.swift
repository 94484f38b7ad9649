// swift-tools-version: 6.2
import PackageDescription

/// "make test" sets this. Its debug build is optimised, because the conformance kit and the servers
/// that it starts compute for minutes otherwise, and it fetches what the example packages need, so
/// that all packages share one build folder. Packages that depend on this one never see it: they
/// may not use unsafe flags.
let isTestBuild = Context.environment["AGENT_MEMORY_TEST_BUILD"] == "1"
let optimization: [SwiftSetting] =
    isTestBuild ? [.unsafeFlags(["-O"], .when(configuration: .debug))] : []
let exampleDependencies: [Package.Dependency] =
    isTestBuild ? [.package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0")] : []

/// Every target is built with the same strictness: explicit existentials, explicit imports of every
/// member used, and imports that do not leak into a module's interface unless they say so.
let strict: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ] + optimization

/// Tests have no interface for others.
let testing: [SwiftSetting] = [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny")]

// MARK: Packages

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let deques: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore: Target.Dependency = .product(name: "HummingbirdCore", package: "hummingbird")
let hummingbirdTLS: Target.Dependency = .product(name: "HummingbirdTLS", package: "hummingbird")
let jwtKit: Target.Dependency = .product(name: "JWTKit", package: "jwt-kit")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let unixSignals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")

func nio(_ names: String...) -> [Target.Dependency] {
    names.map { name in
        switch name {
        case "NIOSSL": .product(name: name, package: "swift-nio-ssl")
        case "NIOHTTPTypes", "NIOHTTPTypesHTTP1": .product(name: name, package: "swift-nio-extras")
        default: .product(name: name, package: "swift-nio")
        }
    }
}

// MARK: Targets

/// A library in Sources/, with a README.md of its own.
///
/// - Parameters:
///   - modules: modules of this package that it may import; a build refuses all others.
///   - packages: products of other packages.
///   - excluded: further files that are not sources.
func module(
    _ name: String, _ modules: [String] = [], packages: [Target.Dependency] = [], path: String? = nil,
    excluding excluded: [String] = [], resources: [Resource]? = nil
) -> Target {
    .target(
        name: name, dependencies: modules.map { .byName(name: $0) } + packages, path: path,
        exclude: ["README.md"] + excluded, resources: resources, swiftSettings: strict)
}

/// A library for tests, in Tests/, with a README.md of its own.
func testModule(
    _ name: String, _ modules: [String] = [], path: String, excluding excluded: [String] = []
) -> Target {
    .target(
        name: name, dependencies: modules.map { .byName(name: $0) }, path: path, exclude: ["README.md"] + excluded,
        swiftSettings: testing)
}

/// The tests of a module, in Tests/.
func tests(
    _ name: String, _ modules: [String], packages: [Target.Dependency] = [], excluding excluded: [String] = []
) -> Target {
    .testTarget(
        name: name, dependencies: modules.map { .byName(name: $0) } + packages, exclude: excluded,
        swiftSettings: testing)
}

/// A library of the system: a module map and a shim, imported by exactly one driver.
func system(_ name: String, _ library: String, apt: String, brew: String) -> Target {
    .systemLibrary(name: name, pkgConfig: library, providers: [.apt([apt]), .brew([brew])])
}

/// The modules of the Python program that runs backends written in Python.
let bridge = [
    "backend", "bootstrap", "bridge", "busy_records", "channel", "conditions", "embeddings", "exact_json",
    "factory", "failures", "matching", "operations", "paging", "plain_model", "recency", "records",
    "shim_filters", "shim_llm__embeddings", "shim_memory_vector_db", "shim_models",
]
let migrations = [
    "0001_create_memories", "0002_create_sessions_and_jobs", "0003_create_vector_spaces", "0004_create_deletions",
    "0005_create_memory_tokens", "0006_add_keyword_analysis", "0007_create_access_tokens",
    "0008_create_vector_codes", "0009_create_row_policies", "0010_create_memory_events", "0011_add_metadata_terms",
    "0012_create_documents", "0013_add_expiry", "0014_defer_indexing", "0015_add_successors",
    "0016_count_words", "0017_create_open_writes", "0018_note_owner_changes", "0019_note_complete_codes",
]

let prompts = [
    "query_optimization_v1", "extraction_discrete_v1", "extraction_preferences_v1", "extraction_summary_v1",
    "extraction_custom_v1", "deduplication_v1", "json_repair_v1", "session_summary_v1", "summary_view_v1",
    "summary_view_default_v1", "tags_v1",
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
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.0"),
    ] + exampleDependencies,
    targets: [
        system("CHiredis", "hiredis", apt: "libhiredis-dev", brew: "hiredis"),
        system("CPostgres", "libpq", apt: "libpq-dev", brew: "libpq"),
        system("CCurl", "libcurl", apt: "libcurl4-openssl-dev", brew: "curl"),

        // Threads of the system, for drivers and models.
        module("SystemThreads"),

        // Counts, and how Prometheus reads them.
        module("Metering"),

        // The domain.
        module("AgentMemory", packages: [crypto]),

        // The border to backends that are loaded: a header without a library. Both of its sides
        // import it.
        .systemLibrary(name: "CMemoryBackend"),
        module("BackendProtocol", ["AgentMemory"]),
        module("MemoryBackendSDK", ["AgentMemory", "BackendProtocol", "CMemoryBackend"]),
        module(
            "BackendLoading", ["AgentMemory", "BackendProtocol", "CMemoryBackend"],
            packages: [logging] + nio("NIOCore", "NIOPosix"), excluding: ["Python/README.md"],
            resources: bridge.map { .embedInCode("Python/Bridge/\($0).py") }),

        // The contract in memory.
        module("ReferenceBackend", ["AgentMemory"]),

        // Redis with search.
        module(
            "RedisDriver", ["CHiredis"], packages: [crypto, deques, logging] + nio("NIOCore", "NIOPosix", "NIOSSL")),
        module("RedisBackend", ["AgentMemory", "RedisDriver"], packages: [logging]),

        // Postgres with pgvector.
        module("Migrations", path: "Migrations", resources: migrations.map { .embedInCode("\($0).sql") }),
        module("PostgresDriver", ["CPostgres", "SystemThreads"], packages: [deques, logging]),
        module("PostgresBackend", ["AgentMemory", "Migrations", "PostgresDriver"], packages: [logging]),

        // Embedding services and local models.
        module("HTTPClient", ["CCurl", "SystemThreads"], packages: [logging]),
        module("SentenceModel", ["AgentMemory", "SystemThreads"]),
        module("ModelServices", ["AgentMemory", "HTTPClient"], packages: [logging]),
        module(
            "Embeddings", ["AgentMemory", "HTTPClient", "Metering", "ModelServices", "SentenceModel"],
            packages: [crypto, logging]),
        module(
            "Rerankers", ["AgentMemory", "HTTPClient", "Metering", "ModelServices", "SentenceModel"],
            packages: [logging]),

        module(
            "LanguageModels", ["AgentMemory", "HTTPClient", "Metering", "ModelServices"], packages: [logging]),

        // JWTs of an OAuth2 issuer.
        module("OAuth2", ["AgentMemory", "HTTPClient"], packages: [jwtKit, logging]),

        // The server.
        module("Settings", ["AgentMemory"], packages: [logging]),
        module("MemoryTransfer", ["AgentMemory"], packages: [crypto]),
        module("Prompts", resources: prompts.map { .embedInCode("\($0).txt") }),
        module("MemoryService", ["AgentMemory", "MemoryTransfer", "Prompts"], packages: [lifecycle, logging]),
        module("MemoryAPI", ["AgentMemory", "MemoryService"]),
        module(
            "MemoryHTTP", ["AgentMemory", "MemoryAPI", "MemoryService", "Metering"],
            packages: [deques, httpTypes, hummingbird, hummingbirdCore, hummingbirdTLS, lifecycle, logging]
                + nio("NIOCore", "NIOHTTP1", "NIOHTTPTypes", "NIOHTTPTypesHTTP1", "NIOPosix", "NIOSSL")),
        .executableTarget(
            name: "agent-memory",
            dependencies: [
                "AgentMemory", "BackendHarnesses", "BackendLoading", "Embeddings", "HTTPClient", "LanguageModels",
                "MemoryConformance", "MemoryAPI", "MemoryHTTP", "MemoryService", "MemoryTransfer", "Metering",
                "Migrations", "OAuth2",
                "PostgresBackend", "PostgresDriver", "Prompts", "RESTConformance", "RedisBackend", "RedisDriver",
                "ReferenceBackend", "Rerankers", "Settings",
                argumentParser, hummingbird, hummingbirdCore, lifecycle, logging,
                unixSignals,
            ],
            exclude: ["README.md"], swiftSettings: strict),

        // The executable contract.
        module("MemoryConformance", ["AgentMemory"]),
        module("RESTConformance", ["AgentMemory", "HTTPClient", "MemoryConformance"]),
        module(
            "BackendHarnesses",
            [
                "AgentMemory", "BackendLoading", "MemoryConformance", "PostgresBackend", "PostgresDriver",
                "RedisBackend", "RedisDriver", "ReferenceBackend",
            ], packages: [logging]),

        // Tests. Those of drivers, backends and the server talk to real services, which `make test`
        // starts.
        testModule("TestServices", path: "Tests/Services"),
        testModule("TestSupport", ["AgentMemory"], path: "Tests/TestSupport"),
        testModule("FakeEmbeddings", ["HTTPClient"], path: "Tests/Support", excluding: ["fake_embeddings.py"]),
        testModule(
            "BackendFixtures", path: "Tests/BackendFixtures",
            excluding: ["base.h", "lifetimes.c", "misbehaving.c", "missing_dependency", "undefined_symbol.c"]),
        tests("TestSupportTests", []),
        tests("MeteringTests", ["Metering", "TestSupport"]),
        tests("AgentMemoryTests", ["AgentMemory", "TestSupport"], packages: [crypto]),
        tests(
            "MemoryServiceTests",
            ["AgentMemory", "MemoryConformance", "MemoryService", "Prompts", "ReferenceBackend", "TestSupport"],
            packages: [logging]),
        tests("MemoryTransferTests", ["AgentMemory", "MemoryTransfer"]),
        tests("MemoryAPITests", ["AgentMemory", "MemoryAPI"]),
        tests(
            "MemoryHTTPTests",
            [
                "AgentMemory", "MemoryAPI", "MemoryConformance", "MemoryHTTP", "MemoryService", "Metering", "Prompts",
                "ReferenceBackend", "TestSupport",
            ],
            packages: [httpTypes, hummingbird, lifecycle, logging] + nio("NIOCore", "NIOEmbedded", "NIOHTTP1"),
            excluding: ["reference-language-models.jsonl", "reference-working-memory.jsonl"]),
        tests("SettingsTests", ["Settings", "TestSupport"]),
        tests(
            "OAuth2Tests", ["AgentMemory", "HTTPClient", "OAuth2"],
            packages: [crypto, .product(name: "CryptoExtras", package: "swift-crypto"), jwtKit, logging]
                + nio("NIOCore", "NIOHTTP1", "NIOPosix"),
            excluding: ["reference-oauth2.jsonl"]),
        tests("BackendProtocolTests", ["AgentMemory", "BackendProtocol"], excluding: ["validate.py"]),
        tests(
            "BackendLoadingTests",
            ["AgentMemory", "BackendFixtures", "BackendLoading", "MemoryConformance", "TestSupport"],
            packages: [logging]),
        tests("HTTPClientTests", ["FakeEmbeddings", "HTTPClient", "TestSupport"]),
        tests("SentenceModelTests", ["AgentMemory", "SentenceModel", "TestSupport"], excluding: ["Fixtures"]),
        tests(
            "EmbeddingsTests",
            ["AgentMemory", "Embeddings", "FakeEmbeddings", "HTTPClient", "Metering", "ModelServices", "TestSupport"],
            packages: [logging]),
        tests(
            "RerankersTests", ["AgentMemory", "FakeEmbeddings", "HTTPClient", "ModelServices", "Rerankers"],
            packages: [logging]),
        tests(
            "LanguageModelsTests", ["AgentMemory", "FakeEmbeddings", "HTTPClient", "LanguageModels", "ModelServices"],
            packages: [logging]),
        tests("PromptsTests", ["Prompts"]),
        tests(
            "RedisDriverTests", ["RedisDriver", "TestServices", "TestSupport"],
            packages: [logging] + nio("NIOCore", "NIOEmbedded", "NIOPosix", "NIOSSL")),
        tests(
            "RedisBackendTests", ["AgentMemory", "RedisBackend", "RedisDriver", "TestServices", "TestSupport"],
            packages: [logging] + nio("NIOCore", "NIOPosix")),
        tests(
            "PostgresDriverTests", ["PostgresDriver", "TestServices", "TestSupport"], packages: [logging],
            excluding: ["README.md"]),
        tests(
            "PostgresBackendTests",
            ["AgentMemory", "Migrations", "PostgresBackend", "PostgresDriver", "TestServices", "TestSupport"],
            packages: [logging], excluding: ["README.md"]),
        tests(
            "ConformanceTests",
            [
                "AgentMemory", "BackendHarnesses", "MemoryConformance", "MemoryService", "PostgresBackend",
                "PostgresDriver", "Prompts", "RESTConformance", "RedisBackend", "RedisDriver", "ReferenceBackend",
                "TestServices", "TestSupport",
            ], packages: [logging]),
        tests(
            "EndToEndTests",
            [
                "agent-memory", "AgentMemory", "BackendFixtures", "FakeEmbeddings", "HTTPClient", "MemoryConformance",
                "MemoryTransfer", "PostgresDriver", "RESTConformance", "RedisDriver", "TestServices", "TestSupport",
            ],
            packages: [logging] + nio("NIOCore", "NIOPosix"),
            excluding: [
                "README.md", "integrations.py", "language_models.py", "late_server.py", "official_client.py",
                "read_index.py",
                "working_memory.py",
            ]),
    ]
)
