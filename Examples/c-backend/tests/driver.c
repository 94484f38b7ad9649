/* Loads the library as a server does and looks at what it answers. Usage: driver path/to/libhello.so */
#define _POSIX_C_SOURCE 200809L

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "samples.h"

#define ALL "\"filter\":{\"tags\":{},\"dates\":{}}"
#define LIST_ALL "{" ALL ",\"limit\":100,\"offset\":0}"
#define TAG(field, all, any, none, prefix) "\"" field "\":{\"all\":" all ",\"any\":" any ",\"none\":" none ",\"startswith\":" prefix "}"

static memory_backend_factory factory;

static void search(char request[600], const char *text, const char *threshold, int limit, int offset) {
    snprintf(request, 600, "{\"text\":\"%s\",\"ranking\":{\"mode\":\"semantic\",\"distance_threshold\":%s}," ALL ",\"limit\":%d,\"offset\":%d}", text, threshold, limit, offset);
}

static void test_factory(void) {
    struct bench bench = bench_open(factory, "COSINE");
    memory_backend_text description = bench.backend->describe(bench.backend->self);
    CHECK(bench.backend->magic == MEMORY_BACKEND_MAGIC && bench.backend->abi_version == 1 && bench.backend->size == sizeof(memory_backend), "other numbers");
    CHECK(slices_equal(json_member(description, "name"), SLICE("\"hello\"")), description.data);
    CHECK(slices_equal(json_member(json_member(description, "capabilities"), "distance_threshold"), SLICE("true")), description.data);

    memory_backend_host other = bench.host->table;
    other.settings = SLICE("{\"dimensions\":3,\"distance_metric\":\"HAMMING\"}");
    CHECK(factory(&other) == NULL && strstr(bench.host->failure, "distance_metric") != NULL, bench.host->failure);
    other = bench.host->table;
    other.magic = 1;
    CHECK(factory(&other) == NULL, "a backend for a host without the magic number");
    other = bench.host->table;
    other.size = offsetof(memory_backend_host, memory_hash);
    CHECK(factory(&other) == NULL, "a backend for a host without memory_hash");
    bench_close(bench);
}

static void test_records(void) {
    struct bench bench = bench_open(factory, "COSINE");
    EXPECT(ASK(bench, list, LIST_ALL), "{\"records\":[],\"total\":0}");
    EXPECT(ASK(bench, add, "{\"records\":[]}"), "{\"ids\":[]}");
    const char *text = "\"caf\\u00e9 \\ud83d\\ude00 \\\"\\\\\\/\\n\"", *metadata = "{\"n\":1.10,\"big\":123456789012345678901234567890, \"e\":[1E400,{\"}\":\"]\"}]}";
    add(bench, (struct sample[]){{.id = "\"b\"", .text = text, .metadata = metadata, .created_at = 10},
                                 {.id = "\"a\"", .created_at = 10},
                                 {.id = "\"new\"", .created_at = 11},
                                 {.id = "\"old\"", .created_at = -62135596800000000}}, 4);
    CHECK(strcmp(member_of(bench, "b", "text"), text) == 0, member_of(bench, "b", "text"));
    CHECK(strcmp(member_of(bench, "b", "metadata"), metadata) == 0, member_of(bench, "b", "metadata"));
    CHECK(strcmp(member_of(bench, "b", "words"), "") == 0, "the words, which are no part of the record");
    CHECK(strcmp(member_of(bench, "b", "later_member"), "") == 0, "a member that no record has");
    /* Newest first, then by the bytes of the id. */
    struct answer *answer = ASK(bench, list, LIST_ALL);
    CHECK(strcmp(ids_of(answer), "new a b old") == 0, ids_of(answer));
    answer = ASK(bench, list, "{" ALL ",\"limit\":2,\"offset\":1}");
    CHECK(strcmp(ids_of(answer), "a b") == 0 && strstr(answer->json, "],\"total\":4}") != NULL, answer->json);
    EXPECT(ASK(bench, list, "{" ALL ",\"limit\":10000,\"offset\":9000000000}"), "{\"records\":[],\"total\":4}");
    /* The same id replaces all of it, and the last of a batch wins. The same id in another spelling is the same. */
    add(bench, (struct sample[]){{.id = "\"b\"", .created_at = 12, .user_id = "\"first\""}, {.id = "\"\\u0062\"", .created_at = 13}}, 2);
    CHECK(strcmp(member_of(bench, "b", "user_id"), "null") == 0, member_of(bench, "b", "user_id"));
    CHECK(strcmp(member_of(bench, "b", "metadata"), "{}") == 0, member_of(bench, "b", "metadata"));
    EXPECT(ASK(bench, count, "{" ALL "}"), "{\"count\":4}");
    EXPECT(ASK(bench, remove, "{\"ids\":[\"b\",\"\\u0062\",\"nobody\"]}"), "{\"deleted\":1}");
    EXPECT(ASK(bench, remove, "{\"ids\":[]}"), "{\"deleted\":0}");
    EXPECT(ASK(bench, count, "{" ALL "}"), "{\"count\":3}");
    bench_close(bench);
}

static void test_many_records(void) {
    enum { COUNT = 1000 };
    struct bench bench = bench_open(factory, "COSINE");
    struct sample *samples = calloc(COUNT, sizeof *samples);
    char(*ids)[24] = calloc(COUNT, sizeof *ids);
    for (int i = 0; i < COUNT; i++) {
        snprintf(ids[i], sizeof ids[i], "\"id-%d\"", i);
        samples[i] = (struct sample){.id = ids[i], .created_at = i};
    }
    add(bench, samples, COUNT);
    EXPECT(ASK(bench, count, "{" ALL "}"), "{\"count\":1000}");
    CHECK(strcmp(member_of(bench, "id-777", "created_at"), "777") == 0, member_of(bench, "id-777", "created_at"));
    /* A text of a megabyte. */
    size_t size = 1 << 20;
    char *text = malloc(size + 1);
    memset(text, 'x', size);
    text[0] = text[size - 1] = '"', text[size] = '\0';
    add(bench, &(struct sample){.id = "\"long\"", .text = text, .created_at = COUNT}, 1);
    struct answer *answer = ASK(bench, list, "{" ALL ",\"limit\":1,\"offset\":0}");
    CHECK(answer->size > size && strstr(answer->json, text) != NULL, "another text");
    free(text);
    free(ids);
    free(samples);
    bench_close(bench);
}

static void expect_filter(struct bench bench, const char *tags, const char *dates, const char *ids) {
    char request[1200], expected[40];
    snprintf(request, sizeof request, "{\"filter\":{\"tags\":{%s},\"dates\":{%s}},\"limit\":100,\"offset\":0}", tags, dates);
    const char *got = ids_of(ASK(bench, list, request));
    if (strcmp(got, ids) != 0) check_failed(__FILE__, __LINE__, request, got);
    size_t count = *ids != '\0';
    for (const char *at = ids; *at != '\0'; at++) count += *at == ' ';
    snprintf(expected, sizeof expected, "{\"count\":%zu}", count);
    EXPECT(ASK(bench, count, request), expected);
}

static void test_filters(void) {
    struct bench bench = bench_open(factory, "COSINE");
    add(bench, (struct sample[]){{.id = "\"a\"", .user_id = "\"alice\"", .topics = "[\"tea\",\"caf\\u00e9\"]", .created_at = 40, .event_date = "1000001"},
                                 {.id = "\"b\"", .user_id = "\"Alice\"", .topics = "[\"tea\", \"milk|sugar\"]", .created_at = 30, .event_date = "-1"},
                                 {.id = "\"c\"", .user_id = "\"al\"", .topics = "[]", .created_at = 20},
                                 {.id = "\"d\"", .topics = "[\"te\",\"\\ud83d\\ude00\"]", .created_at = 10}}, 4);
    expect_filter(bench, "", "", "a b c d");
    expect_filter(bench, TAG("user_id", "[\"alice\"]", "[]", "[]", "null"), "", "a");
    expect_filter(bench, TAG("user_id", "[]", "[]", "[\"alice\"]", "null"), "", "b c d");
    expect_filter(bench, TAG("user_id", "[\"alice\",\"al\"]", "[]", "[]", "null"), "", "");
    expect_filter(bench, TAG("user_id", "[]", "[]", "[]", "\"al\""), "", "a c");
    expect_filter(bench, TAG("topics", "[]", "[[\"caf\xC3\xA9\",\"te\"]]", "[]", "null"), "", "a d");
    expect_filter(bench, TAG("topics", "[\"\xF0\x9F\x98\x80\"]", "[]", "[]", "null"), "", "d");
    expect_filter(bench, TAG("topics", "[]", "[[\"tea\"],[\"milk|sugar\",\"te\"]]", "[]", "null"), "", "b");
    expect_filter(bench, TAG("topics", "[\"tea\"]", "[]", "[\"caf\\u00e9\"]", "null"), "", "b");
    expect_filter(bench, TAG("topics", "[\"tea\"]", "[]", "[]", "null") "," TAG("user_id", "[\"Alice\"]", "[]", "[]", "null"), "", "b");
    expect_filter(bench, "", "\"created_at\":[{\"comparison\":\"gt\",\"value\":10},{\"comparison\":\"lt\",\"value\":40}]", "b c");
    expect_filter(bench, "", "\"created_at\":[{\"comparison\":\"gte\",\"value\":20},{\"comparison\":\"lte\",\"value\":30}]", "b c");
    expect_filter(bench, "", "\"event_date\":[{\"comparison\":\"eq\",\"value\":1000001}]", "a");
    expect_filter(bench, "", "\"event_date\":[{\"comparison\":\"ne\",\"value\":1000001}]", "b c d");
    expect_filter(bench, "", "\"event_date\":[{\"comparison\":\"lt\",\"value\":0}],\"last_accessed\":[{\"comparison\":\"eq\",\"value\":0}]", "b");
    EXPECT_ERROR(ASK(bench, count, "{\"filter\":{\"tags\":{" TAG("colour", "[]", "[]", "[]", "null") "},\"dates\":{}}}"), MEMORY_BACKEND_INVALID_INPUT, "colour");
    EXPECT_ERROR(ASK(bench, count, "{\"filter\":{\"tags\":{},\"dates\":{\"created_at\":[{\"comparison\":\"like\",\"value\":1}]}}}"), MEMORY_BACKEND_INVALID_INPUT, "like");
    bench_close(bench);
}

static void expect_hits(struct bench bench, const char *request, const char *ids, const double *distances) {
    struct answer *answer = ASK(bench, search, request);
    const char *got = ids_of(answer);
    if (strcmp(got, ids) != 0) check_failed(__FILE__, __LINE__, ids, got);
    struct json_cursor cursor;
    slice hit;
    double distance;
    json_open(&cursor, json_member((slice){answer->json, answer->size}, "hits"), '[');
    for (size_t i = 0; json_next_element(&cursor, &hit); i++)
        CHECK(json_number(json_member(hit, "distance"), &distance) && distance == distances[i], hit.data);
}

static void test_search(void) {
    static const struct {
        const char *metric, *order, *second, *total;
        double distances[4];
    } cases[] = {{"COSINE", "b z y c", "z", "],\"total\":3}", {0, 0, 1, 2}},
                 {"L2", "z b y c", "b", "],\"total\":2}", {0, 0.25, 2, 2.25}},
                 {"IP", "z b y c", "b", "],\"total\":3}", {0, 0.5, 1, 1.5}}};
    char request[600];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bench bench = bench_open(factory, cases[i].metric);
        add(bench, (struct sample[]){{.id = "\"z\"", .text = "\"(1 0 0)\""}, {.id = "\"b\"", .text = "\"(0.5 0 0)\""},
                                     {.id = "\"c\"", .text = "\"(-0.5 0 0)\""}, {.id = "\"y\"", .text = "\"(0 1 0)\""}}, 4);
        /* Nearest first, ties by id. */
        search(request, "(1 0 0)", "null", 10, 0);
        expect_hits(bench, request, cases[i].order, cases[i].distances);
        /* A distance that is just the threshold counts; the total is of all pages. */
        search(request, "(1 0 0)", "1", 1, 1);
        struct answer *answer = ASK(bench, search, request);
        CHECK(strstr(answer->json, cases[i].total) != NULL, answer->json);
        CHECK(strcmp(ids_of(answer), cases[i].second) == 0, answer->json);
        EXPECT_ERROR(ASK(bench, search, "{\"text\":\"a\",\"ranking\":{\"mode\":\"keyword\",\"scorer\":\"BM25STD\",\"words\":[],\"phrases\":[]}," ALL ",\"limit\":1,\"offset\":0}"),
                     MEMORY_BACKEND_UNSUPPORTED, "keyword");
        bench_close(bench);
    }
    struct bench bench = bench_open(factory, "COSINE");
    add(bench, (struct sample[]){{.id = "\"q\""}, {.id = "\"ab\""}, {.id = "\"z\""}, {.id = "\"a\""}, {.id = "\"\u00e9\""}, {.id = "\"c\""}, {.id = "\"B\""}}, 7);
    search(request, "a text", "null", 10, 0);
    struct answer *answer = ASK(bench, search, request);
    CHECK(strcmp(ids_of(answer), "B a ab c q z \u00e9") == 0, ids_of(answer));
    bench_close(bench);
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "usage: %s path/to/libhello.so\n", arguments[0]);
        return 2;
    }
    void *library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    void *symbol = library == NULL ? NULL : dlsym(library, "create_hello_backend");
    if (symbol == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    /* C has no cast from a pointer to data to a pointer to a function; POSIX promises that they look the same. */
    memcpy(&factory, &symbol, sizeof factory);
    test_factory();
    test_records();
    test_many_records();
    test_filters();
    test_search();
    test_updates(factory);
    test_failures(factory);
    test_threads(factory);
    printf(failures == 0 ? "all is well\n" : "%d checks failed\n", failures);
    return failures == 0 ? 0 : 1;
}
