/* One instance of the backend, and one call of an operation. */
#ifndef HELLO_BACKEND_H
#define HELLO_BACKEND_H

#include <pthread.h>

#include "embeddings.h"
#include "filter.h"
#include "records.h"

struct backend {
    memory_backend table; /* what the server sees; its `self` is this structure */
    const memory_backend_host *host;
    size_t dimensions;
    enum metric metric;

    /* Held for every look into the store and every change of it, never while waiting for embeddings. */
    pthread_mutex_t lock;
    struct store store;

    /* How many operations are at work, so that `close` can wait for the last one. */
    pthread_mutex_t calls_lock;
    pthread_cond_t last_call_ended;
    size_t calls;
};

struct call {
    struct backend *backend;
    uint64_t number;
    slice request;
    struct arena arena;     /* lives until the call has been answered */
    struct buffer answer;   /* JSON */
    struct problem problem; /* set where a function returns false */
};

/* call.c: runs `work` for a call and answers it with what came of it: `answer` when it returned true, else `problem`. */
void run_call(struct backend *backend, uint64_t number, slice request, bool (*work)(struct call *call));

/* The operations: each reads the request of the call and writes its answer. */
bool add_records(struct call *call);
bool remove_records(struct call *call);
bool update_records(struct call *call);
bool search_records(struct call *call);
bool list_records(struct call *call);
bool count_records(struct call *call);

#endif
