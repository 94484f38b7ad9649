/*
 * Calls the example backend in C as code that is built in would: straight, in one thread, with a request that is ready and an answer that is
 * only counted. What `agent-memory backend measure` takes longer for the same search is the price of the border.
 *
 *     border LIBRARY FACTORY RECORDS DIMENSIONS CALLS        prints, for search and list: name, p50_ms, p99_ms
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memory_backend.h"

static size_t dimensions, answered, answer_size;

static void complete(void *context, uint64_t call, memory_backend_status status, memory_backend_text json) {
    (void)context, (void)call;
    if (status != MEMORY_BACKEND_OK) {
        fprintf(stderr, "status %d: %.*s\n", (int)status, (int)json.size, json.data);
        exit(1);
    }
    answered++;
    answer_size = json.size;
}

/* The same vector for every text, as the server's half of the benchmark has it. */
static void embed(void *context, uint64_t call, const memory_backend_text *texts, size_t count, memory_backend_embedded embedded,
                  void *receiver) {
    static float *matrix;
    static size_t rows;
    (void)context, (void)call, (void)texts;
    if (rows < count) {
        matrix = realloc(matrix, count * dimensions * sizeof *matrix);
        for (size_t i = 0; i < count * dimensions; i++) matrix[i] = (float)(i % dimensions % 7 + 1) / 8;
        rows = count;
    }
    embedded(receiver, MEMORY_BACKEND_OK, matrix, count, dimensions, (memory_backend_text){NULL, 0});
}

static void log_line(void *context, memory_backend_log_level level, memory_backend_text message) {
    (void)context, (void)level;
    fprintf(stderr, "%.*s\n", (int)message.size, message.data);
}

static void fail(void *context, memory_backend_text message) { log_line(context, MEMORY_BACKEND_ERROR, message); }

static int32_t memory_hash(void *context, memory_backend_text record, char hash[65]) {
    (void)context, (void)record;
    memset(hash, '0', 64);
    hash[64] = 0;
    return 0;
}

static double now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *name, const memory_backend *backend, memory_backend_operation operation, const char *request, size_t calls) {
    double *times = malloc(calls * sizeof *times);
    memory_backend_text text = {request, strlen(request)};
    for (size_t i = 0; i < calls; i++) {
        double start = now_ms();
        operation(backend->self, 2 + i, 10000, text);
        times[i] = now_ms() - start;
    }
    qsort(times, calls, sizeof *times, ascending);
    printf("%s\tp50_ms %f\tp99_ms %f\tanswer_bytes %zu\n", name, times[calls / 2], times[calls * 99 / 100], answer_size);
    free(times);
}

int main(int argc, char **argv) {
    if (argc != 6) return fprintf(stderr, "usage: border LIBRARY FACTORY RECORDS DIMENSIONS CALLS\n"), 2;
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    memory_backend_factory factory;
    if (library == NULL || (*(void **)&factory = dlsym(library, argv[2])) == NULL) return fprintf(stderr, "%s\n", dlerror()), 1;
    size_t records = strtoul(argv[3], NULL, 10), calls = strtoul(argv[5], NULL, 10);
    dimensions = strtoul(argv[4], NULL, 10);
    char settings[256];
    int size = snprintf(settings, sizeof settings,
                        "{\"embedding_model\":\"fixed\",\"dimensions\":%zu,\"distance_metric\":\"COSINE\",\"timeout_ms\":10000,\"scope\":null}",
                        dimensions);
    memory_backend_host host = {MEMORY_BACKEND_MAGIC, MEMORY_BACKEND_ABI_VERSION, sizeof host, 0, NULL, {settings, (size_t)size},
                                complete,             embed,                      log_line,    fail, memory_hash};
    const memory_backend *backend = factory(&host);
    if (backend == NULL) return 1;

    static const char record[] =
        "{\"records\":[{\"id\":\"measure-%zu\",\"text\":\"note %zu about the weather\",\"session_id\":null,\"user_id\":\"user-%zu\",\"namespace\":null,"
        "\"memory_type\":\"semantic\",\"topics\":[\"weather\",\"notes\"],\"entities\":[],\"extracted_from\":[],\"discrete_memory_extracted\":\"t\","
        "\"extraction_strategy\":\"discrete\",\"extraction_strategy_config\":{},\"metadata\":{},\"memory_hash\":"
        "\"0000000000000000000000000000000000000000000000000000000000000000\",\"pinned\":false,\"access_count\":0,"
        "\"created_at\":1700000000000000,\"last_accessed\":1700000000000000,\"updated_at\":1700000000000000,\"persisted_at\":null,"
        "\"event_date\":null}]}";
    char request[2048];
    for (size_t i = 0; i < records; i++) {
        size = snprintf(request, sizeof request, record, i, i, i % 10);
        backend->add(backend->self, 1, 10000, (memory_backend_text){request, (size_t)size});
    }
    measure("search", backend, backend->search,
            "{\"text\":\"what about the weather?\",\"ranking\":{\"mode\":\"semantic\",\"distance_threshold\":null},"
            "\"filter\":{\"tags\":{},\"dates\":{}},\"limit\":10,\"offset\":0}",
            calls);
    measure("list", backend, backend->list, "{\"filter\":{\"tags\":{},\"dates\":{}},\"limit\":10,\"offset\":0}", calls);
    measure("count", backend, backend->count, "{\"filter\":{\"tags\":{},\"dates\":{}}}", calls);
    backend->close(backend->self);
    return answered == records + 3 * calls ? 0 : (fprintf(stderr, "answers are missing\n"), 1);
}
