import AgentMemory
import Embeddings
import LanguageModels
import MemoryService
import Metering

/// What `GET /metrics` shows next to the requests: models, jobs and the process.
///
/// Only the counts of jobs ask the store, in one call.
struct ServerMetrics: Sendable {
    /// Counts that others fill.
    struct Meters: Sendable {
        let embedding = CallMeter()
        let reranking = CallMeter()
        let jobs = JobOutcomes()
        let start = ProcessMeasures.now()
    }

    /// How long a page waits for the counts of jobs: less than Prometheus waits for the page.
    private static let storeLimit = Duration.seconds(2)

    let meters: Meters
    let languages: [MeteredLanguageModel]
    let embedder: any Embedder
    /// The name of the reranking model; `nil` if there is none.
    let reranker: String?
    let jobs: any JobQueue
    /// Where the store may sleep; then it is not asked while it is quiet.
    let resting: (any RestingStore)?

    func families() async -> [MetricFamily] {
        var families = process + languageModels
        families += calls(meters.embedding, of: embedder.model, "embedding", "of the embedding model")
        families += cache
        if let reranker { families += calls(meters.reranking, of: reranker, "reranking", "of the reranking model") }
        return families + jobAttempts + (await store())
    }

    // MARK: The process

    private var process: [MetricFamily] {
        var build = MetricFamily(.gauge, "agent_memory_build_info", "The version of the server; always 1.")
        build.add(1, ["version": Version.number])
        var memory = MetricFamily(
            .gauge, "agent_memory_process_resident_memory_bytes", "Memory of the process that is not swapped out.")
        if let bytes = ProcessMeasures.residentBytes() { memory.add(bytes) }
        return [
            build,
            MetricFamily(
                .gauge, "agent_memory_process_start_time_seconds", "When the server started, since 1970.",
                value: meters.start), memory,
        ]
    }

    // MARK: Models

    private var languageModels: [MetricFamily] {
        var calls = MetricFamily(
            .counter, "agent_memory_language_model_calls_total", "Ended calls of language models, with failed ones.")
        var failures = MetricFamily(
            .counter, "agent_memory_language_model_failures_total", "Calls of language models without an answer.")
        var tokens = MetricFamily(
            .counter, "agent_memory_language_model_tokens_total", "Tokens as the service counts them.")
        var durations = MetricFamily(
            .histogram, "agent_memory_language_model_call_duration_seconds",
            "Time of calls of language models, with all their attempts.")
        var inWork = MetricFamily(
            .gauge, "agent_memory_language_model_calls_in_work", "Calls of language models that have not ended.")
        var resting = MetricFamily(
            .gauge, "agent_memory_language_model_resting",
            "1 while a language model is not asked, because it failed too often or its service asked for a pause.")
        var hour = MetricFamily(
            .gauge, "agent_memory_language_model_last_hour_tokens",
            "Tokens that all language models have used in the last 60 minutes.")
        var limit = MetricFamily(
            .gauge, "agent_memory_language_model_hour_limit_tokens",
            "Tokens that they may use in 60 minutes; absent without a limit.")
        let all = languages.map(\.measures)
        for model in all {
            for task in model.tasks {
                let labels: KeyValuePairs = ["model": model.model, "task": task.task.rawValue]
                calls.add(task.calls, labels)
                failures.add(task.failures, labels)
                for (direction, count) in [("input", task.tokens.input), ("output", task.tokens.output)] {
                    tokens.add(
                        count, ["model": model.model, "task": task.task.rawValue, "direction": direction])
                }
                durations.add(task.durations, labels)
            }
            inWork.add(model.callsInWork, ["model": model.model])
            resting.add(model.isResting ? 1 : 0, ["model": model.model])
        }
        // The limits are those of all models together.
        if let first = all.first {
            hour.add(first.tokensOfLastHour)
            if let tokens = first.tokensPerHour { limit.add(tokens) }
        }
        return [calls, failures, tokens, durations, inWork, resting, hour, limit]
    }

    private func calls(_ meter: CallMeter, of model: String, _ name: String, _ words: String) -> [MetricFamily] {
        let counts = meter.counts
        var calls = MetricFamily(.counter, "agent_memory_\(name)_calls_total", "Ended calls \(words).")
        var failures = MetricFamily(.counter, "agent_memory_\(name)_failures_total", "Failed calls \(words).")
        var durations = MetricFamily(
            .histogram, "agent_memory_\(name)_call_duration_seconds", "Time of calls \(words).")
        var inWork = MetricFamily(
            .gauge, "agent_memory_\(name)_calls_in_work", "Calls \(words) that have not ended.")
        let labels: KeyValuePairs = ["model": model]
        calls.add(counts.durations.count, labels)
        failures.add(counts.failures, labels)
        durations.add(counts.durations, labels)
        inWork.add(counts.inWork, labels)
        return [calls, failures, durations, inWork]
    }

    /// Nothing for an embedder without a cache.
    private var cache: [MetricFamily] {
        guard let statistics = (embedder as? CachingEmbedder)?.statistics else { return [] }
        return [
            MetricFamily(
                .counter, "agent_memory_embedding_cache_hits_total", "Texts whose vector was in the cache.",
                value: Double(statistics.hits)),
            MetricFamily(
                .counter, "agent_memory_embedding_cache_misses_total", "Texts whose vector was not in the cache.",
                value: Double(statistics.misses)),
            MetricFamily(
                .gauge, "agent_memory_embedding_cache_entries", "Vectors in the cache.",
                value: Double(statistics.entries)),
            MetricFamily(
                .gauge, "agent_memory_embedding_cache_bytes", "Bytes that they take, about.",
                value: Double(statistics.bytes)),
        ]
    }

    // MARK: Jobs

    private var jobAttempts: [MetricFamily] {
        var attempts = MetricFamily(
            .counter, "agent_memory_job_attempts_total", "Attempts at background jobs of this server.")
        for count in meters.jobs.all {
            attempts.add(count.attempts, ["kind": count.kind, "outcome": count.outcome.rawValue])
        }
        return [attempts]
    }

    /// The counts of jobs, or that the store does not answer; nothing while it may sleep.
    private func store() async -> [MetricFamily] {
        if let resting, resting.isQuiet { return [] }
        let counts = await jobCounts()
        let up = MetricFamily(
            .gauge, "agent_memory_store_up", "Whether the store of jobs has answered for this page.",
            value: counts == nil ? 0 : 1)
        guard let counts else { return [up] }
        var jobs = MetricFamily(
            .gauge, "agent_memory_jobs", "Background jobs in the store, the same on every server of it.")
        for (state, count) in [("waiting", counts.waiting), ("leased", counts.leased), ("dead", counts.dead)] {
            jobs.add(count, ["state": state])
        }
        return [up, jobs]
    }

    /// `nil` if the store has not answered in time.
    private func jobCounts() async -> JobCounts? {
        await withTaskGroup(of: JobCounts?.self) { [jobs] group in
            // A page must not keep the store from its sleep.
            group.addTask { try? await OwnLook.run { try await jobs.counts() } }
            group.addTask {
                try? await Task.sleep(for: Self.storeLimit)
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
    }
}
