/* Backends whose beginning and end matter; README.md lists them. */
#include "base.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static atomic_int created, closed;

static void close_counting(void *self) {
    char message[80];
    snprintf(message, sizeof message, "factory calls: %d, closes: %d", created, ++closed);
    write_log(self, message);
    good_close(self);
}

/* Takes its time, so that all that want a backend meanwhile come upon it. */
FACTORY(create_counting) {
    struct instance *instance = good_instance(host);
    created++;
    pause_for(100);
    instance->table.close = close_counting;
    return &instance->table;
}

static void close_never(void *self) {
    for (;;) pause();
}

FACTORY(create_unclosable) {
    struct instance *instance = good_instance(host);
    instance->table.close = close_never;
    return &instance->table;
}

/* Uses the host when that is forbidden; the instance is never freed, so that it can. */
static void *use_host(void *argument) {
    struct instance *instance = argument;
    const memory_backend_text one = text("a text");
    pause_for(10);
    write_log(instance, "a line after close");
    answer(instance, 1, no_hits);
    instance->host->embed(instance->host->context, 0, &one, 1, NULL, NULL);
    return NULL;
}

static void close_too_early(void *self) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, use_host, self) != 0) abort();
    pthread_detach(thread);
}

FACTORY(create_after_close) {
    struct instance *instance = good_instance(host);
    instance->table.close = close_too_early;
    return &instance->table;
}
