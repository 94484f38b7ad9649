#define _POSIX_C_SOURCE 200809L

#include <stdlib.h>
#include <string.h>

#include "backend.h"

/* {"message": ...}, which clients get to see. */
static void write_problem(struct buffer *json, const struct problem *problem, struct arena *arena) {
    size_t size = strlen(problem->what);
    char *message = arena_take(arena, size + problem->which.size, 1);
    json->size = 0;
    buffer_add(json, SLICE("{\"message\":"));
    if (message == NULL || size + problem->which.size == 0) {
        buffer_add(json, SLICE("\"the operation failed\""));
    } else {
        memcpy(message, problem->what, size);
        if (problem->which.size > 0) memcpy(message + size, problem->which.data, problem->which.size);
        buffer_string(json, (slice){message, size + problem->which.size});
    }
    buffer_add(json, SLICE("}"));
}

void run_call(struct backend *backend, uint64_t number, slice request, bool (*work)(struct call *call)) {
    const memory_backend_host *host = backend->host;
    struct call call = {.backend = backend, .number = number, .request = request};
    memory_backend_status status = MEMORY_BACKEND_OK;
    pthread_mutex_lock(&backend->calls_lock);
    backend->calls++;
    pthread_mutex_unlock(&backend->calls_lock);

    if (!work(&call)) {
        if (call.arena.failed || call.answer.failed) refuse_memory(&call.problem);
        status = call.problem.status;
        write_problem(&call.answer, &call.problem, &call.arena);
    }
    slice answer = {call.answer.data, call.answer.size};
    if (call.answer.failed) {
        status = MEMORY_BACKEND_STORE_UNAVAILABLE;
        answer = SLICE("{\"message\":\"out of memory\"}");
    }
    host->complete(host->context, number, status, answer);
    free(call.answer.data);
    arena_free(&call.arena);

    pthread_mutex_lock(&backend->calls_lock);
    if (--backend->calls == 0) pthread_cond_signal(&backend->last_call_ended);
    /* From here on `close` may free the backend. */
    pthread_mutex_unlock(&backend->calls_lock);
}
