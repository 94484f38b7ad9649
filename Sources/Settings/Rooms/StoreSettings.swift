/// The store for the memories, and how a loaded one is run.
public struct StoreSettings: SettingsRoom {
    public static let title = "Stores"

    public let factory = Setting.word(
        "MEMORY_VECTOR_DB_FACTORY", default: "redis",
        "The store of memories: `redis`, `pgvector`, `reference` (in memory, lost at the end), the dotted name of the Python server's default, or a [backend of your own](backends.md)."
    )
    public let pluginFolders = Setting.folders(
        "MEMORY_VECTOR_DB_PLUGIN_PATH", "The folders with libraries of backends.")
    public let python = Setting<String>.word(
        "MEMORY_VECTOR_DB_PYTHON", default: "python3", "The interpreter for backends in Python, 3.10 or later.")
    public let backendThreads = Setting<Int>.int(
        "MEMORY_VECTOR_DB_THREADS", in: 1...256, default: 8,
        "How many calls of a backend in a library may block at the same time.")
    public let stateURL = Setting<String?>.address(
        "STATE_STORE_URL",
        "With a backend of your own: the store of sessions, background jobs and the history of memories, `redis://` or `postgresql://` (with pgvector). Without it they are in memory and are lost when the server ends."
    )
    public let timeout = Setting<Duration>.seconds(
        "STORE_TIMEOUT_SECONDS", in: 0.1...600, default: 10,
        "The deadline of one call of the store. A write of many records gets more: 5 ms for each in Redis, in Postgres this time for each."
    )
}
