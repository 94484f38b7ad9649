#define _POSIX_C_SOURCE 200809L

#include "samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Atomic int failures = 0;

void check_failed(const char *file, int line, const char *what, const char *got) {
    failures++;
    fprintf(stderr, "%s:%d: not so: %s\n    got: %.600s\n", file, line, what, got);
}

static const char *or(const char *json, const char *otherwise) {
    return json != NULL ? json : otherwise;
}

static void add_text(struct buffer *buffer, const char *text) {
    buffer_add(buffer, (slice){text, strlen(text)});
}

static void add_sample(struct buffer *json, const struct sample *sample) {
    char dates[160];
    snprintf(dates, sizeof dates, "\"created_at\":%lld,\"last_accessed\":%lld,\"updated_at\":5,\"persisted_at\":null,", sample->created_at, sample->last_accessed);
    add_text(json, "{\"words\":[\"to be dropped\"],\"id\":");
    add_text(json, sample->id);
    add_text(json, ",\"text\":");
    add_text(json, or(sample->text, "\"a text\""));
    add_text(json, ",\"session_id\":null,\"namespace\":null,\"memory_type\":\"semantic\",\"user_id\":");
    add_text(json, or(sample->user_id, "null"));
    add_text(json, ", \"topics\" : ");
    add_text(json, or(sample->topics, "[]"));
    add_text(json, ",\"entities\":[],\"extracted_from\":[],\"discrete_memory_extracted\":\"f\",\"extraction_strategy\":\"discrete\",");
    add_text(json, "\"extraction_strategy_config\":{},\"pinned\":false,\"access_count\":0,\"later_member\":{\"a\":[1]},");
    add_text(json, dates);
    add_text(json, "\"memory_hash\":");
    add_text(json, or(sample->memory_hash, "\"h\""));
    add_text(json, ",\"metadata\":");
    add_text(json, or(sample->metadata, "{}"));
    add_text(json, ",\"event_date\":");
    add_text(json, or(sample->event_date, "null"));
    add_text(json, "}");
}

char *add_request(const struct sample *samples, size_t count) {
    struct buffer json = {0};
    add_text(&json, " {\n\"records\": [");
    for (size_t i = 0; i < count; i++) {
        if (i > 0) add_text(&json, ", ");
        add_sample(&json, &samples[i]);
    }
    add_text(&json, "]}\n");
    buffer_add(&json, (slice){"", 1});
    return json.data;
}

struct bench bench_open(memory_backend_factory factory, const char *metric) {
    static char settings[3][200];
    static int next = 0;
    char *text = settings[next++ % 3];
    snprintf(text, sizeof settings[0], "{\"embedding_model\":\"fake\",\"dimensions\":%d,\"distance_metric\":\"%s\",\"timeout_ms\":10000,\"scope\":null}", DIMENSIONS, metric);
    struct bench bench = {.host = host_create(text)};
    bench.backend = factory(&bench.host->table);
    if (bench.backend == NULL) {
        fprintf(stderr, "the factory returned NULL: %s\n", bench.host->failure);
        exit(1);
    }
    return bench;
}

void bench_close(struct bench bench) {
    bench.backend->close(bench.backend->self);
    bench_free(bench);
}

void bench_free(struct bench bench) {
    for (uint64_t call = 1; call <= bench.host->last_call; call++) CHECK(bench.host->answers[call].times == 1, "another number of answers");
    host_free(bench.host);
}

void add(struct bench bench, const struct sample *samples, size_t count) {
    struct buffer expected = {0};
    char *request = add_request(samples, count);
    add_text(&expected, "{\"ids\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0) add_text(&expected, ",");
        add_text(&expected, samples[i].id);
    }
    add_text(&expected, "]}");
    buffer_add(&expected, (slice){"", 1});
    EXPECT(ASK(bench, add, request), expected.data);
    free(expected.data);
    free(request);
}

void expect(struct answer *answer, const char *json, const char *file, int line) {
    if (answer->status != MEMORY_BACKEND_OK || strcmp(answer->json, json) != 0) check_failed(file, line, json, answer->json);
}

void expect_error(struct answer *answer, memory_backend_status status, const char *part, const char *file, int line) {
    struct arena arena = {0};
    slice message;
    bool good = answer->status == status && json_string(&arena, json_member((slice){answer->json, answer->size}, "message"), &message);
    char text[300] = "";
    if (good) snprintf(text, sizeof text, "%.*s", (int)message.size, message.data);
    if (!good || strstr(text, part) == NULL) check_failed(file, line, part, answer->json);
    arena_free(&arena);
}

const char *ids_of(struct answer *answer) {
    static char ids[4096];
    struct json_cursor cursor;
    struct arena arena = {0};
    slice json = {answer->json, answer->size}, list = json_member(json, "records"), element, id;
    bool hits = list.size == 0;
    size_t size = 0;
    if (hits) list = json_member(json, "hits");
    ids[0] = '\0';
    json_open(&cursor, list, '[');
    while (json_next_element(&cursor, &element)) {
        if (json_string(&arena, json_member(hits ? json_member(element, "record") : element, "id"), &id))
            size += (size_t)snprintf(ids + size, sizeof ids - size, "%s%.*s", size > 0 ? " " : "", (int)id.size, id.data);
    }
    if (cursor.bad) snprintf(ids, sizeof ids, "no list in the answer %.500s", answer->json);
    arena_free(&arena);
    return ids;
}

const char *member_of(struct bench bench, const char *id, const char *member) {
    static char value[8192];
    char request[400];
    struct json_cursor cursor;
    slice record = {0};
    snprintf(request, sizeof request, "{\"filter\":{\"tags\":{\"id\":{\"all\":[\"%s\"],\"any\":[],\"none\":[],\"startswith\":null}},\"dates\":{}},\"limit\":10,\"offset\":0}", id);
    struct answer *answer = ASK(bench, list, request);
    json_open(&cursor, json_member((slice){answer->json, answer->size}, "records"), '[');
    json_next_element(&cursor, &record);
    slice found = json_member(record, member);
    snprintf(value, sizeof value, "%.*s", (int)found.size, found.size > 0 ? found.data : "");
    return value;
}
