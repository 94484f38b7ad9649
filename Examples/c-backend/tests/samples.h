/* Records to store, and what the checks of the driver are made of. */
#ifndef TEST_SAMPLES_H
#define TEST_SAMPLES_H

#include "host.h"

/* Members as JSON; what is NULL is filled in. */
struct sample {
    const char *id, *text, *user_id, *topics, *metadata, *event_date, *memory_hash;
    long long created_at, last_accessed; /* microseconds */
};

/* {"records": [...]}; to be freed. */
char *add_request(const struct sample *samples, size_t count);

extern _Atomic int failures;

/* Prints where and what, and goes on. */
void check_failed(const char *file, int line, const char *what, const char *got);
#define CHECK(condition, got) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition, got))

/* A backend with its host. */
struct bench {
    struct host *host;
    const memory_backend *backend;
};

struct bench bench_open(memory_backend_factory factory, const char *metric);
/* Closes the backend and frees the host. */
void bench_close(struct bench bench);
/* For a backend that is closed: frees the host, and checks that every call has been answered exactly once. */
void bench_free(struct bench bench);

#define ASK(bench, operation, request) host_ask((bench).host, (bench).backend->self, (bench).backend->operation, request)

/* Stores samples and checks the ids that come back. */
void add(struct bench bench, const struct sample *samples, size_t count);

void expect(struct answer *answer, const char *json, const char *file, int line);
#define EXPECT(answer, json) expect(answer, json, __FILE__, __LINE__)

void expect_error(struct answer *answer, memory_backend_status status, const char *part, const char *file, int line);
#define EXPECT_ERROR(answer, status, part) expect_error(answer, status, part, __FILE__, __LINE__)

/* The ids of the records or hits of an answer, as "a b c"; in a buffer that the next call writes over. */
const char *ids_of(struct answer *answer);

/* The JSON of a member of the only record with that id, in a buffer that the next call writes over. */
const char *member_of(struct bench bench, const char *id, const char *member);

/* writing.c */
void test_updates(memory_backend_factory create);
void test_failures(memory_backend_factory create);
void test_threads(memory_backend_factory create);

#endif
