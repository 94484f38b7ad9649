/* Updates, what must not be written when something fails, and many threads at once. */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "samples.h"

#define ALL "\"filter\":{\"tags\":{},\"dates\":{}}"
#define SEARCH "{\"text\":\"(0 1 0)\",\"ranking\":{\"mode\":\"semantic\",\"distance_threshold\":0.5}," ALL ",\"limit\":10,\"offset\":0}"
#define UPDATE(id, set, access) "{\"id\":\"" id "\",\"set\":{" set "},\"access\":" access "}"
#define UPDATES(updates) "{\"updates\":[" updates "]}"
#define ACCESS(at, interval) "{\"at\":" at ",\"minimum_interval_seconds\":" interval "}"

static void expect_member(struct bench bench, const char *id, const char *member, const char *json, int line) {
    const char *got = member_of(bench, id, member);
    if (strcmp(got, json) != 0) check_failed(__FILE__, line, json, got);
}
#define EXPECT_MEMBER(bench, id, member, json) expect_member(bench, id, member, json, __LINE__)

/* MARK: Updates */

static void test_update_members(memory_backend_factory create) {
    struct bench bench = bench_open(create, "COSINE");
    add(bench, (struct sample[]){{.id = "\"a\"", .text = "\"(1 0 0)\"", .user_id = "\"u\"", .metadata = "{\"n\":1.0}"}, {.id = "\"b\"", .text = "\"(0 1 0)\""}}, 2);
    EXPECT(ASK(bench, update, UPDATES(UPDATE("a", "\"id\":\"z\",\"topics\":[\"t\"],\"pinned\":true,\"words\":[\"w\"]", "null") "," UPDATE("nobody", "\"pinned\":true", "null"))),
           "{\"updated\":1}");
    EXPECT_MEMBER(bench, "a", "topics", "[\"t\"]");
    EXPECT_MEMBER(bench, "a", "pinned", "true");
    EXPECT_MEMBER(bench, "a", "metadata", "{\"n\":1.0}");
    EXPECT_MEMBER(bench, "a", "memory_hash", "\"h\"");
    EXPECT_MEMBER(bench, "nobody", "id", "");
    EXPECT_MEMBER(bench, "a", "words", "");
    /* A user alone makes another hash, but no embedding; so does the same text in another spelling. */
    size_t embedded = bench.host->embedded;
    EXPECT(ASK(bench, update, UPDATES(UPDATE("a", "\"user_id\":\"v\",\"text\":\"\\u00281 0 0)\"", "null"))), "{\"updated\":1}");
    CHECK(bench.host->embedded == embedded, "a text that has not changed was embedded again");
    char hash[67], expected[67] = "\"";
    slice record = SLICE("{\"memory_type\":\"semantic\",\"namespace\":null,\"session_id\":null,\"text\":\"(1 0 0)\",\"user_id\":\"v\"}");
    bench.host->table.memory_hash(bench.host, record, hash);
    snprintf(expected, sizeof expected, "\"%.64s\"", hash);
    EXPECT_MEMBER(bench, "a", "memory_hash", expected);
    /* Another text has another vector. Two changes of one record come one after another, and count once. */
    EXPECT(ASK(bench, update, UPDATES(UPDATE("a", "\"text\":\"(0 0 1)\"", "null") "," UPDATE("a", "\"text\":\"(0 1 0) too\"", "null"))), "{\"updated\":1}");
    CHECK(bench.host->embedded == embedded + 1, "not one text was embedded");
    struct answer *answer = ASK(bench, search, SEARCH);
    CHECK(strcmp(ids_of(answer), "a b") == 0, answer->json);
    EXPECT(ASK(bench, update, UPDATES("")), "{\"updated\":0}");
    bench_close(bench);
}

static void test_access(memory_backend_factory create) {
    struct bench bench = bench_open(create, "COSINE");
    add(bench, &(struct sample){.id = "\"a\"", .last_accessed = 50000000}, 1);
    EXPECT(ASK(bench, update, UPDATES(UPDATE("a", "\"pinned\":true", ACCESS("109999999", "60")))), "{\"updated\":0}");
    EXPECT_MEMBER(bench, "a", "pinned", "false");
    EXPECT_MEMBER(bench, "a", "access_count", "0");
    EXPECT(ASK(bench, update, UPDATES(UPDATE("a", "\"pinned\":true", ACCESS("110000000", "60")))), "{\"updated\":1}");
    EXPECT_MEMBER(bench, "a", "pinned", "true");
    EXPECT_MEMBER(bench, "a", "last_accessed", "110000000");
    EXPECT_MEMBER(bench, "a", "access_count", "1");
    /* Within one call as well: the second of these finds the first one's access. */
    EXPECT(ASK(bench, update, UPDATES(UPDATE("a", "", ACCESS("180000000", "60")) "," UPDATE("a", "", ACCESS("200000000", "60")))), "{\"updated\":1}");
    EXPECT_MEMBER(bench, "a", "last_accessed", "180000000");
    EXPECT_MEMBER(bench, "a", "access_count", "2");
    EXPECT(ASK(bench, update, UPDATES(UPDATE("a", "", ACCESS("253402300799999999", "9000000000000000000")))), "{\"updated\":0}");
    bench_close(bench);
}

static const memory_backend *under_test;

static void update_meanwhile(struct host *host) {
    static const char other[] = UPDATES(UPDATE("a", "\"text\":\"(0 0 1)\",\"pinned\":true", "null"));
    EXPECT(host_ask(host, under_test->self, under_test->update, other), "{\"updated\":1}");
}

static void update_the_other_meanwhile(struct host *host) {
    static const char other[] = UPDATES(UPDATE("b", "\"text\":\"(0 0 1)\"", "null"));
    EXPECT(host_ask(host, under_test->self, under_test->update, other), "{\"updated\":1}");
}

static void remove_meanwhile(struct host *host) {
    EXPECT(host_ask(host, under_test->self, under_test->remove, "{\"ids\":[\"a\"]}"), "{\"deleted\":1}");
}

/* While the text of an update is being embedded, another call changes the same record. */
static void test_update_meanwhile(memory_backend_factory create) {
    struct bench bench = bench_open(create, "COSINE");
    under_test = bench.backend;
    add(bench, &(struct sample){.id = "\"a\"", .text = "\"(1 0 0)\""}, 1);
    bench.host->during_embedding = update_meanwhile;
    EXPECT(ASK(bench, update, UPDATES(UPDATE("a", "\"text\":\"(0 1 0)\"", "null"))), "{\"updated\":1}");
    EXPECT_MEMBER(bench, "a", "text", "\"(0 1 0)\"");
    EXPECT_MEMBER(bench, "a", "pinned", "true");
    struct answer *answer = ASK(bench, search, SEARCH);
    CHECK(strcmp(ids_of(answer), "a") == 0, answer->json);
    /* At first the text of b does not change; when the vector of a has come, it does. */
    add(bench, &(struct sample){.id = "\"b\"", .text = "\"(0 1 0)\""}, 1);
    bench.host->during_embedding = update_the_other_meanwhile;
    EXPECT(ASK(bench, update, UPDATES(UPDATE("a", "\"text\":\"(1 0 0)\"", "null") "," UPDATE("b", "\"text\":\"(0 1 0)\"", "null"))), "{\"updated\":2}");
    answer = ASK(bench, search, SEARCH);
    CHECK(strcmp(ids_of(answer), "b") == 0, answer->json);
    EXPECT(ASK(bench, remove, "{\"ids\":[\"b\"]}"), "{\"deleted\":1}");
    bench.host->during_embedding = remove_meanwhile;
    EXPECT(ASK(bench, update, UPDATES(UPDATE("a", "\"text\":\"another\"", "null"))), "{\"updated\":0}");
    EXPECT(ASK(bench, count, "{" ALL "}"), "{\"count\":0}");
    bench_close(bench);
}

void test_updates(memory_backend_factory create) {
    test_update_members(create);
    test_access(create);
    test_update_meanwhile(create);
}

/* MARK: Failures */

void test_failures(memory_backend_factory create) {
    static const struct {
        enum embedding_mode mode;
        memory_backend_status status;
        const char *part;
    } cases[] = {
        {EMBED_FAILING, MEMORY_BACKEND_TIMED_OUT, "the model \"fake\" is down"},
        {EMBED_TOO_FEW, MEMORY_BACKEND_EMBEDDING_FAILED, "one vector for each text"},
        {EMBED_TOO_SHORT, MEMORY_BACKEND_EMBEDDING_FAILED, "another length"},
        {EMBED_NOT_FINITE, MEMORY_BACKEND_EMBEDDING_FAILED, "not finite"},
        {EMBED_ZERO, MEMORY_BACKEND_EMBEDDING_FAILED, "zeros"},
    };
    struct bench bench = bench_open(create, "COSINE");
    add(bench, &(struct sample){.id = "\"a\"", .text = "\"(1 0 0)\""}, 1);
    char *request = add_request((struct sample[]){{.id = "\"b\""}, {.id = "\"a\"", .text = "\"other\""}}, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench.host->mode = cases[i].mode;
        EXPECT_ERROR(ASK(bench, add, request), cases[i].status, cases[i].part);
        EXPECT_ERROR(ASK(bench, update, UPDATES(UPDATE("a", "\"pinned\":true,\"text\":\"other\"", "null"))), cases[i].status, cases[i].part);
        EXPECT_ERROR(ASK(bench, search, SEARCH), cases[i].status, cases[i].part);
        EXPECT(ASK(bench, count, "{" ALL "}"), "{\"count\":1}");
        EXPECT_MEMBER(bench, "a", "text", "\"(1 0 0)\"");
        EXPECT_MEMBER(bench, "a", "pinned", "false");
    }
    bench.host->mode = EMBED_AT_ONCE;
    /* However a request is cut off, it is refused, and nothing was written. */
    for (size_t size = strlen(request) - 3; size > 0; size--) {
        request[size - 1] = '\0';
        struct answer *answer = ASK(bench, add, request);
        CHECK(answer->status == MEMORY_BACKEND_INTERNAL_ERROR, answer->json);
    }
    static const char *const wrong[] = {"", "null", "[]", "{\"records\":[{}]}", "{\"records\":[{\"id\":1}]}", "{\"records\":[1]}", "{\"records\":[,]}", "{\"records\":{}}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct answer *answer = ASK(bench, add, wrong[i]);
        CHECK(answer->status == MEMORY_BACKEND_INTERNAL_ERROR, wrong[i]);
    }
    EXPECT(ASK(bench, count, "{" ALL "}"), "{\"count\":1}");
    free(request);
    bench_close(bench);
}

/* MARK: Threads */

enum { THREADS = 8, ROUNDS = 100 };

static void *work(void *argument) {
    struct bench bench = *(struct bench *)argument;
    char *request = add_request((struct sample[]){{.id = "\"x\""}, {.id = "\"y\""}}, 2);
    for (int i = 0; i < ROUNDS; i++) {
        EXPECT(ASK(bench, update, UPDATES(UPDATE("a", "", ACCESS("1", "0")))), "{\"updated\":1}");
        EXPECT(ASK(bench, update, UPDATES(UPDATE("a", "\"text\":\"one\"", "null"))), "{\"updated\":1}");
        EXPECT(ASK(bench, update, UPDATES(UPDATE("a", "\"text\":\"two\"", "null"))), "{\"updated\":1}");
        /* Both of a batch are there, or neither is. */
        EXPECT(ASK(bench, add, request), "{\"ids\":[\"x\",\"y\"]}");
        struct answer *answer = ASK(bench, list, "{" ALL ",\"limit\":10,\"offset\":0}");
        CHECK(strstr(answer->json, "\"total\":3}") != NULL || strstr(answer->json, "\"total\":1}") != NULL, answer->json);
        answer = ASK(bench, remove, "{\"ids\":[\"x\",\"y\"]}");
        CHECK(strstr(answer->json, ":1}") == NULL, answer->json);
        answer = ASK(bench, search, SEARCH);
        CHECK(answer->status == MEMORY_BACKEND_OK, answer->json);
    }
    free(request);
    return NULL;
}

static void *search_once(void *argument) {
    struct bench *bench = argument;
    struct answer *answer = ASK(*bench, search, SEARCH);
    CHECK(answer->status == MEMORY_BACKEND_OK, answer->json);
    return NULL;
}

static void *close_backend(void *argument) {
    struct bench *bench = argument;
    bench->backend->close(bench->backend->self);
    CHECK(bench->host->answers[bench->host->last_call].times == 1, "closed before the last answer");
    return NULL;
}

void test_threads(memory_backend_factory create) {
    struct bench bench = bench_open(create, "COSINE");
    pthread_t threads[THREADS], closing;
    char expected[20];
    bench.host->mode = EMBED_ON_A_THREAD;
    add(bench, &(struct sample){.id = "\"a\""}, 1);
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, &bench);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    snprintf(expected, sizeof expected, "%d", THREADS * ROUNDS);
    EXPECT_MEMBER(bench, "a", "access_count", expected);
    /* Closing waits for the operation that still waits for its embeddings. */
    bench.host->mode = EMBED_WHEN_RELEASED;
    pthread_create(&threads[0], NULL, search_once, &bench);
    host_wait_for_embedding(bench.host);
    pthread_create(&closing, NULL, close_backend, &bench);
    host_release(bench.host);
    pthread_join(threads[0], NULL);
    pthread_join(closing, NULL);
    bench_free(bench);
}
