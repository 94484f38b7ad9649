// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "sqlite-backend",
    platforms: [.macOS(.v15)],
    products: [
        // What the server loads is a shared library, so the product says that it is one.
        .library(name: "SQLiteBackend", type: .dynamic, targets: ["SQLiteBackend"])
    ],
    dependencies: [
        // Elsewhere: .package(url: "https://…/agent-memory", from: "1.0.0")
        .package(name: "agent-memory", path: "../.."),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: [
        .target(
            name: "SQLiteBackend",
            dependencies: [
                .product(name: "AgentMemory", package: "agent-memory"),
                .product(name: "MemoryBackendSDK", package: "agent-memory"),
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: [
                .swiftLanguageMode(.v6),
                .enableUpcomingFeature("ExistentialAny"),
                .enableUpcomingFeature("MemberImportVisibility"),
                .enableUpcomingFeature("InternalImportsByDefault"),
            ],
            linkerSettings: [
                // The library has its own copies of AgentMemory and all else that is in it.
                // Exporting the factory alone keeps them apart from the server's, which has the
                // same names.
                .unsafeFlags(
                    ["-Xlinker", "--version-script=\(Context.packageDirectory)/exports.map"],
                    .when(platforms: [.linux]))
            ])
    ]
)
