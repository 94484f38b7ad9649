/* The factory and the table: where a backend meets the server. The operations are in reading.c, writing.c and updating.c. */
#define _POSIX_C_SOURCE 200809L

#include <stdlib.h>

#include "backend.h"

/* The library is built with -fvisibility=hidden: this name alone can be seen from outside, and no name of ours meets one of the server's. */
#define EXPORTED __attribute__((visibility("default")))

EXPORTED const memory_backend *create_hello_backend(const memory_backend_host *host);

static memory_backend_text describe(void *self) {
    (void)self;
    return SLICE("{\"name\":\"hello\",\"version\":\"1.0\",\"capabilities\":{\"distance_threshold\":true}}");
}

/*
 * The time limit is not checked: except for the embeddings, whose time does not count, no operation here waits for anything. For the same
 * reason there is no `cancel`.
 */
static void add(void *self, uint64_t call, uint32_t timeout_ms, memory_backend_text request) {
    (void)timeout_ms;
    run_call(self, call, request, add_records);
}

static void search(void *self, uint64_t call, uint32_t timeout_ms, memory_backend_text request) {
    (void)timeout_ms;
    run_call(self, call, request, search_records);
}

static void list(void *self, uint64_t call, uint32_t timeout_ms, memory_backend_text request) {
    (void)timeout_ms;
    run_call(self, call, request, list_records);
}

static void count(void *self, uint64_t call, uint32_t timeout_ms, memory_backend_text request) {
    (void)timeout_ms;
    run_call(self, call, request, count_records);
}

/* Not "remove", which is a function of C. */
static void delete_by_id(void *self, uint64_t call, uint32_t timeout_ms, memory_backend_text request) {
    (void)timeout_ms;
    run_call(self, call, request, remove_records);
}

static void update(void *self, uint64_t call, uint32_t timeout_ms, memory_backend_text request) {
    (void)timeout_ms;
    run_call(self, call, request, update_records);
}

static void free_backend(struct backend *backend) {
    pthread_cond_destroy(&backend->last_call_ended);
    pthread_mutex_destroy(&backend->calls_lock);
    pthread_mutex_destroy(&backend->lock);
    store_free(&backend->store);
    free(backend);
}

/* The server gives up calls that take too long, and may close while their threads are still at work here. */
static void close_backend(void *self) {
    struct backend *backend = self;
    pthread_mutex_lock(&backend->calls_lock);
    while (backend->calls > 0) pthread_cond_wait(&backend->last_call_ended, &backend->calls_lock);
    pthread_mutex_unlock(&backend->calls_lock);
    free_backend(backend);
}

static void *fail(const memory_backend_host *host, slice why) {
    host->fail(host->context, why);
    return NULL;
}

static bool read_settings(struct backend *backend, slice settings) {
    struct arena arena = {0};
    int64_t dimensions = 0;
    slice metric;
    bool good = json_integer(json_member(settings, "dimensions"), &dimensions) && dimensions > 0 &&
                json_string(&arena, json_member(settings, "distance_metric"), &metric) && metric_named(metric, &backend->metric);
    backend->dimensions = (size_t)dimensions;
    arena_free(&arena);
    return good;
}

/*
 * The function that MEMORY_VECTOR_DB_FACTORY names. What is stored lives in the instance, so every call begins an empty memory, apart from all
 * others: the scope in the settings needs no further care.
 */
EXPORTED const memory_backend *create_hello_backend(const memory_backend_host *host) {
    /* Without these three nothing else of the structure can be trusted, not even the function that says why. */
    if (host == NULL || host->magic != MEMORY_BACKEND_MAGIC || host->abi_version != MEMORY_BACKEND_ABI_VERSION) return NULL;
    if (host->size < offsetof(memory_backend_host, memory_hash) + sizeof host->memory_hash) return NULL;

    struct backend *backend = calloc(1, sizeof *backend);
    if (backend == NULL) return fail(host, SLICE("out of memory"));
    if (!store_create(&backend->store)) {
        free(backend);
        return fail(host, SLICE("out of memory"));
    }
    /* Of the system's own kinds, these need no resources that could be lacking. */
    pthread_mutex_init(&backend->lock, NULL);
    pthread_mutex_init(&backend->calls_lock, NULL);
    pthread_cond_init(&backend->last_call_ended, NULL);
    backend->host = host;
    backend->table = (memory_backend){
        .magic = MEMORY_BACKEND_MAGIC,
        .abi_version = MEMORY_BACKEND_ABI_VERSION,
        .size = sizeof(memory_backend),
        .self = backend,
        .describe = describe,
        .add = add,
        .search = search,
        .list = list,
        .count = count,
        .remove = delete_by_id,
        .update = update,
        .close = close_backend,
    };
    if (!read_settings(backend, host->settings)) {
        free_backend(backend);
        return fail(host, SLICE("the settings name no dimensions above 0, or no distance_metric among COSINE, L2 and IP"));
    }
    return &backend->table;
}
