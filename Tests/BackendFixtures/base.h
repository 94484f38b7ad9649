/*
 * A backend that keeps every rule of memory_backend.h and stores nothing: what the libraries here begin with, before they break a rule. It is
 * all in this header so that one command makes a library of one file.
 */
#ifndef FIXTURE_BASE_H
#define FIXTURE_BASE_H

#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memory_backend.h"

/* Operations have the parameters that they are called with, whether they need them or not. */
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-function"

/* The libraries are built with -fvisibility=hidden, so that their factories are all they export. */
#define FACTORY(name)                                                                                               \
    __attribute__((visibility("default"))) const memory_backend *name(const memory_backend_host *host);             \
    const memory_backend *name(const memory_backend_host *host)

#define OPERATION(name) static void name(void *self, uint64_t call, uint32_t timeout_ms, memory_backend_text request)

struct instance {
    memory_backend table;
    const memory_backend_host *host;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int threads;      /* of our own, still at work */
    int blocked;      /* operations that wait */
    bool closing;
    uint64_t listing; /* the last call of list */
    int prepared;     /* calls of prepare */
    int embedded;     /* answers to requests for embeddings */
};

static memory_backend_text text(const char *text) {
    return (memory_backend_text){text, strlen(text)};
}

static void complete(struct instance *instance, uint64_t call, memory_backend_status status, const char *json) {
    instance->host->complete(instance->host->context, call, status, text(json));
}

static void answer(struct instance *instance, uint64_t call, const char *json) {
    complete(instance, call, MEMORY_BACKEND_OK, json);
}

static void write_log(struct instance *instance, const char *message) {
    instance->host->log(instance->host->context, MEMORY_BACKEND_INFO, text(message));
}

static void pause_for(int milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    nanosleep(&time, NULL);
}

/* MARK: Answers from other threads */

struct late_answer {
    struct instance *instance;
    uint64_t call;
    char *json;
    int milliseconds;
};

static void *answer_late(void *argument) {
    struct late_answer late = *(struct late_answer *)argument;
    free(argument);
    pause_for(late.milliseconds);
    answer(late.instance, late.call, late.json);
    free(late.json);
    pthread_mutex_lock(&late.instance->lock);
    late.instance->threads--;
    pthread_cond_broadcast(&late.instance->changed);
    pthread_mutex_unlock(&late.instance->lock);
    return NULL;
}

/* Answers from a thread of its own, after that time. */
static void answer_later(struct instance *instance, uint64_t call, const char *json, int milliseconds) {
    struct late_answer *late = malloc(sizeof *late);
    if (late == NULL) abort();
    *late = (struct late_answer){instance, call, strdup(json), milliseconds};
    pthread_mutex_lock(&instance->lock);
    instance->threads++;
    pthread_mutex_unlock(&instance->lock);
    pthread_t thread;
    if (late->json == NULL || pthread_create(&thread, NULL, answer_late, late) != 0) abort();
    pthread_detach(thread);
}

/* MARK: The rule-abiding operations */

static const char no_hits[] = "{\"hits\":[],\"total\":0}";
static const char no_records[] = "{\"records\":[],\"total\":0}";

/*
 * Writes {"ids": [...]} for an add_request, without the last `fewer` ids: goes through the JSON by depth, and takes the string after each "id"
 * of an object in a list of the outermost object.
 */
static char *ids_answer(memory_backend_text request, size_t fewer) {
    char *json = malloc(request.size + 16), *to = json;
    const char *end = request.data + request.size;
    size_t depth = 0, count = 0;
    bool taken = false;
    /* Where the ids begin to end: the text up to the n-th of them. */
    char **ends = malloc((request.size + 1) * sizeof *ends);
    if (json == NULL || ends == NULL) abort();
    to += strlen(strcpy(to, "{\"ids\":["));
    ends[0] = to;
    for (const char *at = request.data; at < end; at++) {
        if (*at == '{' || *at == '[') depth++;
        if (*at == '}' || *at == ']') depth--;
        if (*at != '"') continue;
        const char *start = at;
        for (at++; at < end && *at != '"'; at++) at += *at == '\\';
        size_t size = (size_t)(at + 1 - start);
        if (taken) {
            if (count > 0) *to++ = ',';
            memcpy(to, start, size);
            to += size;
            ends[++count] = to;
        }
        taken = depth == 3 && !taken && size == 4 && memcmp(start, "\"id\"", 4) == 0 && at + 1 < end && at[1] == ':';
    }
    strcpy(ends[fewer < count ? count - fewer : 0], "]}");
    free(ends);
    return json;
}

OPERATION(good_add) {
    char *json = ids_answer(request, 0);
    answer(self, call, json);
    free(json);
}

OPERATION(good_search) { answer(self, call, no_hits); }
OPERATION(good_list) { answer(self, call, no_records); }
OPERATION(good_count) { answer(self, call, "{\"count\":0}"); }
OPERATION(good_remove) { answer(self, call, "{\"deleted\":0}"); }
OPERATION(good_update) { answer(self, call, "{\"updated\":0}"); }

static memory_backend_text good_describe(void *self) {
    return text("{\"name\":\"fixture\",\"version\":\"1.0\",\"capabilities\":{\"distance_threshold\":true}}");
}

static void good_close(void *self) {
    struct instance *instance = self;
    pthread_mutex_lock(&instance->lock);
    instance->closing = true;
    pthread_cond_broadcast(&instance->changed);
    while (instance->threads > 0 || instance->blocked > 0) pthread_cond_wait(&instance->changed, &instance->lock);
    pthread_mutex_unlock(&instance->lock);
    pthread_cond_destroy(&instance->changed);
    pthread_mutex_destroy(&instance->lock);
    free(instance);
}

static struct instance *good_instance(const memory_backend_host *host) {
    struct instance *instance = calloc(1, sizeof *instance);
    if (instance == NULL) abort();
    pthread_mutex_init(&instance->lock, NULL);
    pthread_cond_init(&instance->changed, NULL);
    instance->host = host;
    instance->table = (memory_backend){
        .magic = MEMORY_BACKEND_MAGIC,
        .abi_version = MEMORY_BACKEND_ABI_VERSION,
        .size = sizeof(memory_backend),
        .self = instance,
        .describe = good_describe,
        .add = good_add,
        .search = good_search,
        .list = good_list,
        .count = good_count,
        .remove = good_remove,
        .update = good_update,
        .close = good_close,
    };
    return instance;
}

#endif
