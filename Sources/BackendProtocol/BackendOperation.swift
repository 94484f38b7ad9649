/// The operations of a backend beyond the border, under their names in `memory_backend.h`.
public enum BackendOperation: String, Sendable, CaseIterable {
    case prepare, add, search, list, count, remove, update, health, drop
}
