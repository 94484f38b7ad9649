/* The least of a server: what a backend needs around it, and ways to let its embeddings go wrong. */
#ifndef TEST_HOST_H
#define TEST_HOST_H

#include <pthread.h>

#include "json.h"
#include "memory_backend.h"

enum embedding_mode {
    EMBED_AT_ONCE,       /* before host->embed returns */
    EMBED_ON_A_THREAD,   /* later, from another thread */
    EMBED_WHEN_RELEASED, /* from another thread, once host_release has been called */
    EMBED_FAILING,       /* MEMORY_BACKEND_TIMED_OUT with a message */
    EMBED_TOO_FEW,       /* a row is missing */
    EMBED_TOO_SHORT,     /* a column is missing */
    EMBED_NOT_FINITE,
    EMBED_ZERO
};

enum { DIMENSIONS = 3, CALLS = 65536 };

struct answer {
    int times; /* how often the call was completed */
    memory_backend_status status;
    char *json;
    size_t size;
};

struct host {
    memory_backend_host table;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t last_call;
    struct answer answers[CALLS]; /* by number of the call; 0 is none */
    char failure[256];            /* the last message of host->fail */

    enum embedding_mode mode;
    size_t embedded; /* texts, so far */
    size_t waiting;  /* threads that wait to be released */
    bool released;
    void (*during_embedding)(struct host *host); /* called once, by the next request for embeddings */
};

/* With those settings, which must outlive the host. */
struct host *host_create(const char *settings);
void host_free(struct host *host);

/* Runs an operation and waits for its answer, which lives as long as the host. */
struct answer *host_ask(struct host *host, void *self, memory_backend_operation operation, const char *request);

void host_wait_for_embedding(struct host *host);
void host_release(struct host *host);

/*
 * The vector of a text: of "(1 0.5 0) and whatever follows" the three numbers; of any other text numbers that depend on all of its bytes.
 */
void host_vector(slice text, float vector[DIMENSIONS]);

#endif
