#define _POSIX_C_SOURCE 200809L

#include "host.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t hash_of(slice text, uint64_t seed) {
    uint64_t hash = UINT64_C(14695981039346656037) ^ seed;
    for (size_t i = 0; i < text.size; i++) hash = (hash ^ (unsigned char)text.data[i]) * UINT64_C(1099511628211);
    return hash;
}

void host_vector(slice text, float vector[DIMENSIONS]) {
    double x, y, z;
    char start[64] = "";
    memcpy(start, text.data, text.size < sizeof start ? text.size : sizeof start - 1);
    if (sscanf(start, "(%lf %lf %lf)", &x, &y, &z) == 3) {
        vector[0] = (float)x, vector[1] = (float)y, vector[2] = (float)z;
        return;
    }
    for (size_t i = 0; i < DIMENSIONS; i++) vector[i] = (float)(hash_of(text, i) % 1000 + 1) / 1000;
}

static void complete(void *context, uint64_t call, memory_backend_status status, memory_backend_text json) {
    struct host *host = context;
    pthread_mutex_lock(&host->lock);
    struct answer *answer = &host->answers[call];
    if (answer->times++ == 0) {
        answer->status = status;
        answer->size = json.size;
        answer->json = calloc(1, json.size + 1);
        memcpy(answer->json, json.data, json.size);
    }
    pthread_cond_broadcast(&host->changed);
    pthread_mutex_unlock(&host->lock);
}

/* A request for embeddings that is answered elsewhere. */
struct request {
    struct host *host;
    float *matrix;
    size_t rows, columns;
    memory_backend_embedded embedded;
    void *receiver;
    bool waits;
};

static void *deliver(void *argument) {
    struct request *request = argument;
    struct host *host = request->host;
    if (request->waits) {
        pthread_mutex_lock(&host->lock);
        host->waiting++;
        pthread_cond_broadcast(&host->changed);
        while (!host->released) pthread_cond_wait(&host->changed, &host->lock);
        pthread_mutex_unlock(&host->lock);
    }
    request->embedded(request->receiver, MEMORY_BACKEND_OK, request->matrix, request->rows, request->columns, (memory_backend_text){"", 0});
    /* Nothing of it may be used after the callback. */
    memset(request->matrix, 0xFF, request->rows * request->columns * sizeof(float));
    free(request->matrix);
    free(request);
    return NULL;
}

static void embed(void *context, uint64_t call, const memory_backend_text *texts, size_t count, memory_backend_embedded embedded, void *receiver) {
    struct host *host = context;
    (void)call;
    pthread_mutex_lock(&host->lock);
    host->embedded += count;
    enum embedding_mode mode = host->mode;
    void (*during_embedding)(struct host *) = host->during_embedding;
    host->during_embedding = NULL;
    pthread_mutex_unlock(&host->lock);
    if (during_embedding != NULL) during_embedding(host);

    if (mode == EMBED_FAILING) {
        char message[] = "the model \"fake\" is down";
        embedded(receiver, MEMORY_BACKEND_TIMED_OUT, NULL, 0, 0, (memory_backend_text){message, sizeof message - 1});
        memset(message, '?', sizeof message);
        return;
    }
    struct request *request = malloc(sizeof *request);
    *request = (struct request){host, malloc(count * DIMENSIONS * sizeof(float)), count, DIMENSIONS, embedded, receiver, mode == EMBED_WHEN_RELEASED};
    for (size_t i = 0; i < count; i++) host_vector(texts[i], request->matrix + i * DIMENSIONS);
    float *last = request->matrix + (count - 1) * DIMENSIONS;
    if (mode == EMBED_TOO_FEW) request->rows--;
    if (mode == EMBED_TOO_SHORT) request->columns--;
    if (mode == EMBED_NOT_FINITE) last[1] = (float)NAN;
    if (mode == EMBED_ZERO) memset(last, 0, DIMENSIONS * sizeof(float));
    if (mode != EMBED_ON_A_THREAD && mode != EMBED_WHEN_RELEASED) {
        deliver(request);
        return;
    }
    pthread_t thread;
    pthread_create(&thread, NULL, deliver, request);
    pthread_detach(thread);
}

static void write_log(void *context, memory_backend_log_level level, memory_backend_text message) {
    (void)context;
    fprintf(stderr, "log, level %d: %.*s\n", (int)level, (int)message.size, message.data);
}

static void fail(void *context, memory_backend_text message) {
    struct host *host = context;
    snprintf(host->failure, sizeof host->failure, "%.*s", (int)message.size, message.data);
}

/* Not SHA-256, but as the real one a function of the five members' values, not of how they are written. */
static int32_t memory_hash(void *context, memory_backend_text record, char hash[65]) {
    static const char *const names[] = {"memory_type", "namespace", "session_id", "text", "user_id"};
    (void)context;
    uint64_t sum = 1;
    struct arena arena = {0};
    for (size_t i = 0; i < 5; i++) {
        slice value = json_member(record, names[i]), string = SLICE("\1null");
        if (value.size == 0 || (!json_is_null(value) && !json_string(&arena, value, &string))) sum = 0;
        if (sum != 0) sum = hash_of(string, sum);
    }
    arena_free(&arena);
    if (sum == 0) return -1;
    for (int i = 0; i < 4; i++) snprintf(hash + i * 16, 17, "%016llx", (unsigned long long)sum);
    return 0;
}

struct host *host_create(const char *settings) {
    struct host *host = calloc(1, sizeof *host);
    pthread_mutex_init(&host->lock, NULL);
    pthread_cond_init(&host->changed, NULL);
    host->table = (memory_backend_host){
        .magic = MEMORY_BACKEND_MAGIC,
        .abi_version = MEMORY_BACKEND_ABI_VERSION,
        .size = sizeof(memory_backend_host),
        .context = host,
        .settings = {settings, strlen(settings)},
        .complete = complete,
        .embed = embed,
        .log = write_log,
        .fail = fail,
        .memory_hash = memory_hash,
    };
    return host;
}

void host_free(struct host *host) {
    for (size_t i = 0; i < CALLS; i++) free(host->answers[i].json);
    pthread_cond_destroy(&host->changed);
    pthread_mutex_destroy(&host->lock);
    free(host);
}

struct answer *host_ask(struct host *host, void *self, memory_backend_operation operation, const char *request) {
    pthread_mutex_lock(&host->lock);
    uint64_t call = ++host->last_call;
    pthread_mutex_unlock(&host->lock);
    struct answer *answer = &host->answers[call];
    /* A copy that is freed when the operation has returned, as the real one is. */
    char *copy = strdup(request);
    operation(self, call, 10000, (memory_backend_text){copy, strlen(copy)});
    free(copy);
    pthread_mutex_lock(&host->lock);
    while (answer->times == 0) pthread_cond_wait(&host->changed, &host->lock);
    pthread_mutex_unlock(&host->lock);
    return answer;
}

void host_wait_for_embedding(struct host *host) {
    pthread_mutex_lock(&host->lock);
    while (host->waiting == 0) pthread_cond_wait(&host->changed, &host->lock);
    pthread_mutex_unlock(&host->lock);
}

void host_release(struct host *host) {
    pthread_mutex_lock(&host->lock);
    host->released = true;
    pthread_cond_broadcast(&host->changed);
    pthread_mutex_unlock(&host->lock);
}
