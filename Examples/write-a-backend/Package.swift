// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "tutorial-backend",
    platforms: [.macOS(.v15)],
    products: [.library(name: "TutorialBackend", targets: ["TutorialBackend"])],
    dependencies: [
        // Elsewhere: .package(url: "https://…/agent-memory", from: "1.0.0")
        .package(name: "agent-memory", path: "../..")
    ],
    targets: [
        .target(name: "TutorialBackend", dependencies: [.product(name: "AgentMemory", package: "agent-memory")]),
        .testTarget(
            name: "TutorialBackendTests",
            dependencies: [
                "TutorialBackend",
                .product(name: "AgentMemory", package: "agent-memory"),
                .product(name: "MemoryConformance", package: "agent-memory"),
                .product(name: "ReferenceBackend", package: "agent-memory"),
            ]),
    ]
)
