/// The Python program that carries a user's backend. It is part of this binary, and sent over the
/// socket to the interpreter, so that no file is needed where the server runs.
enum PythonProgram {
    /// The text for `python3 -c`.
    static let bootstrap = text(PackageResources.bootstrap_py)

    /// The main module.
    static let main = "bridge"

    /// The sources by the names of their files.
    static let modules: [(name: String, source: String)] = files.map { ($0.key, text($0.value)) }

    private static let files: KeyValuePairs<String, [UInt8]> = [
        "backend": PackageResources.backend_py,
        "bridge": PackageResources.bridge_py,
        "busy_records": PackageResources.busy_records_py,
        "channel": PackageResources.channel_py,
        "conditions": PackageResources.conditions_py,
        "embeddings": PackageResources.embeddings_py,
        "exact_json": PackageResources.exact_json_py,
        "factory": PackageResources.factory_py,
        "failures": PackageResources.failures_py,
        "matching": PackageResources.matching_py,
        "operations": PackageResources.operations_py,
        "paging": PackageResources.paging_py,
        "plain_model": PackageResources.plain_model_py,
        "recency": PackageResources.recency_py,
        "records": PackageResources.records_py,
        "shim_filters": PackageResources.shim_filters_py,
        "shim_llm__embeddings": PackageResources.shim_llm__embeddings_py,
        "shim_memory_vector_db": PackageResources.shim_memory_vector_db_py,
        "shim_models": PackageResources.shim_models_py,
    ]

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
