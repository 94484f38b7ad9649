import AgentMemory
import HTTPTypes
import Hummingbird
import MemoryService

/// The routes that tell about the server itself.
struct SystemController: Sendable {
    let readiness: Readiness
    let now: @Sendable () -> Timestamp

    /// Whether the process answers; asks no store.
    func health() -> Response {
        .json(capacity: 64) { writer in
            writer.object { writer in
                writer.name("now")
                writer.int(Int(now().microseconds / 1000))
            }
        }
    }

    /// 200 if the store, the index and the embedder can do their work, else 503; each with ok or a reason.
    func ready() async -> Response {
        let components = await readiness.check()
        let isReady = components.allSatisfy(\.isOK)
        return .json(status: isReady ? .ok : .serviceUnavailable) { writer in
            writer.object { writer in
                writer.name("status")
                writer.string(isReady ? "ok" : "unavailable")
                writer.name("backend")
                writer.string(readiness.backend)
                writer.name("embedding_model")
                writer.string(readiness.embeddingModel)
                writer.name("components")
                writer.object { writer in
                    for component in components {
                        writer.name(component.component)
                        writer.object { writer in
                            writer.name("status")
                            writer.string(component.isOK ? "ok" : "unavailable")
                            if let reason = component.reason {
                                writer.name("reason")
                                writer.string(reason)
                            }
                            if let warning = component.warning {
                                writer.name("warning")
                                writer.string(warning)
                            }
                            if let version = component.version {
                                writer.name("version")
                                writer.string(version)
                            }
                        }
                    }
                }
            }
        }
    }
}
