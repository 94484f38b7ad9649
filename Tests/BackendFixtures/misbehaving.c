/* Backends that break one rule each; README.md lists them. They come in the order in which a server would notice. */
#include "base.h"

#include <stdio.h>

FACTORY(create_good) { return &good_instance(host)->table; }

/* MARK: No backend comes */

FACTORY(create_null) { return NULL; }

FACTORY(create_failing) {
    host->fail(host->context, text("the licence of \"acme\" has expired"));
    return NULL;
}

/* MARK: The table is wrong */

FACTORY(create_wrong_magic) {
    struct instance *instance = good_instance(host);
    instance->table.magic = 0x12345678;
    return &instance->table;
}

FACTORY(create_wrong_version) {
    struct instance *instance = good_instance(host);
    instance->table.abi_version = MEMORY_BACKEND_ABI_VERSION + 1;
    return &instance->table;
}

FACTORY(create_too_small) {
    struct instance *instance = good_instance(host);
    instance->table.size = offsetof(memory_backend, close);
    return &instance->table;
}

FACTORY(create_without_search) {
    struct instance *instance = good_instance(host);
    instance->table.search = NULL;
    return &instance->table;
}

static memory_backend_text describe_badly(void *self) { return text("name: fixture"); }
static memory_backend_text describe_nameless(void *self) { return text("{\"capabilities\":{}}"); }
static memory_backend_text describe_nothing(void *self) { return (memory_backend_text){NULL, 0}; }

FACTORY(create_bad_description) {
    struct instance *instance = good_instance(host);
    instance->table.describe = describe_badly;
    return &instance->table;
}

FACTORY(create_nameless) {
    struct instance *instance = good_instance(host);
    instance->table.describe = describe_nameless;
    return &instance->table;
}

FACTORY(create_empty_description) {
    struct instance *instance = good_instance(host);
    instance->table.describe = describe_nothing;
    return &instance->table;
}

/* MARK: It is not ready */

OPERATION(prepare_at_last) {
    struct instance *instance = self;
    if (++instance->prepared <= 2) {
        complete(instance, call, MEMORY_BACKEND_STORE_UNAVAILABLE, "{\"message\":\"the store is still starting\"}");
    } else {
        answer(instance, call, "{}");
    }
}

OPERATION(prepare_misconfigured) {
    complete(self, call, MEMORY_BACKEND_MISCONFIGURED, "{\"message\":\"the index has 7 dimensions\",\"path\":[\"dimensions\"]}");
}

FACTORY(create_unready) {
    struct instance *instance = good_instance(host);
    instance->table.prepare = prepare_at_last;
    return &instance->table;
}

FACTORY(create_misconfigured) {
    struct instance *instance = good_instance(host);
    instance->table.prepare = prepare_misconfigured;
    return &instance->table;
}

/* MARK: Too late, or not at all */

OPERATION(never) {}

OPERATION(note_listing) {
    struct instance *instance = self;
    pthread_mutex_lock(&instance->lock);
    instance->listing = call;
    pthread_mutex_unlock(&instance->lock);
}

static void answer_listing(void *self, uint64_t call) {
    struct instance *instance = self;
    pthread_mutex_lock(&instance->lock);
    bool listing = call == instance->listing;
    pthread_mutex_unlock(&instance->lock);
    if (listing) answer_later(instance, call, no_records, 0);
}

FACTORY(create_silent) {
    struct instance *instance = good_instance(host);
    instance->table.search = never;
    instance->table.list = note_listing;
    instance->table.cancel = answer_listing;
    return &instance->table;
}

OPERATION(block) {
    struct instance *instance = self;
    pthread_mutex_lock(&instance->lock);
    instance->blocked++;
    while (!instance->closing) pthread_cond_wait(&instance->changed, &instance->lock);
    pthread_mutex_unlock(&instance->lock);
    complete(instance, call, MEMORY_BACKEND_CANCELLED, "{\"message\":\"closed\"}");
    pthread_mutex_lock(&instance->lock);
    instance->blocked--;
    pthread_cond_broadcast(&instance->changed);
    pthread_mutex_unlock(&instance->lock);
}

FACTORY(create_blocking) {
    struct instance *instance = good_instance(host);
    instance->table.search = block;
    return &instance->table;
}

/* Answers every operation rightly, from another thread. */
#define LATE_OPERATIONS(name, milliseconds)                                                                 \
    OPERATION(name##_add) {                                                                                 \
        char *json = ids_answer(request, 0);                                                                \
        answer_later(self, call, json, milliseconds);                                                       \
        free(json);                                                                                         \
    }                                                                                                       \
    OPERATION(name##_search) { answer_later(self, call, no_hits, milliseconds); }                           \
    OPERATION(name##_list) { answer_later(self, call, no_records, milliseconds); }                          \
    OPERATION(name##_count) { answer_later(self, call, "{\"count\":0}", milliseconds); }                    \
    OPERATION(name##_remove) { answer_later(self, call, "{\"deleted\":0}", milliseconds); }                 \
    OPERATION(name##_update) { answer_later(self, call, "{\"updated\":0}", milliseconds); }                 \
    static const memory_backend *name##_table(struct instance *instance) {                                  \
        instance->table.add = name##_add;                                                                   \
        instance->table.search = name##_search;                                                             \
        instance->table.list = name##_list;                                                                 \
        instance->table.count = name##_count;                                                               \
        instance->table.remove = name##_remove;                                                             \
        instance->table.update = name##_update;                                                             \
        return &instance->table;                                                                            \
    }

/* Long enough for the operation to have returned. */
LATE_OPERATIONS(elsewhere, 10)
LATE_OPERATIONS(slowly, 300)

FACTORY(create_other_thread) { return elsewhere_table(good_instance(host)); }
FACTORY(create_slow) { return slowly_table(good_instance(host)); }

/* MARK: Too often, or for no call */

OPERATION(answer_twice) {
    answer(self, call, no_hits);
    answer(self, call, "{\"hits\":[],\"total\":7}");
}

OPERATION(answer_twice_at_once) {
    answer_later(self, call, no_records, 10);
    answer_later(self, call, no_records, 10);
}

OPERATION(answer_and_fail) {
    answer(self, call, "{\"count\":0}");
    complete(self, call, MEMORY_BACKEND_INTERNAL_ERROR, "{\"message\":\"this must not be seen\"}");
}

FACTORY(create_twice) {
    struct instance *instance = good_instance(host);
    instance->table.search = answer_twice;
    instance->table.list = answer_twice_at_once;
    instance->table.count = answer_and_fail;
    return &instance->table;
}

OPERATION(answer_strangers) {
    answer(self, 0, no_hits);
    answer(self, call + 1000000, no_hits);
    answer(self, UINT64_MAX, no_hits);
    answer(self, call, no_hits);
}

FACTORY(create_unknown_call) {
    struct instance *instance = good_instance(host);
    instance->table.search = answer_strangers;
    return &instance->table;
}

/* MARK: Something else than was asked for */

OPERATION(answer_half) { answer(self, call, "{\"hits\":["); }
OPERATION(answer_list) { answer(self, call, "[]"); }
OPERATION(answer_string) { answer(self, call, "{\"count\":\"many\"}"); }
OPERATION(answer_huge) { answer(self, call, "{\"deleted\":1e300}"); }
OPERATION(answer_bytes) { answer(self, call, "{\"ids\":[\"\xFF\xFE\"]}"); }
OPERATION(answer_nothing) {
    struct instance *instance = self;
    instance->host->complete(instance->host->context, call, MEMORY_BACKEND_OK, (memory_backend_text){NULL, 0});
}

FACTORY(create_bad_json) {
    struct instance *instance = good_instance(host);
    instance->table.search = answer_half;
    instance->table.list = answer_list;
    instance->table.count = answer_string;
    instance->table.remove = answer_huge;
    instance->table.add = answer_bytes;
    instance->table.update = answer_nothing;
    return &instance->table;
}

static const char record[] =
    "{\"id\":\"x\",\"text\":\"a text\",\"session_id\":null,\"user_id\":null,\"namespace\":null,\"memory_type\":\"semantic\",\"topics\":[],\"entities\":[],"
    "\"extracted_from\":[],\"discrete_memory_extracted\":\"f\",\"extraction_strategy\":\"discrete\",\"extraction_strategy_config\":{},\"metadata\":{},"
    "\"memory_hash\":\"\",\"pinned\":false,\"access_count\":0,\"created_at\":0,\"last_accessed\":0,\"updated_at\":0,\"persisted_at\":null,"
    "\"event_date\":null}";

/* One more than the request's limit, each between `before` and `after`. */
static void answer_too_many(struct instance *instance, uint64_t call, memory_backend_text request, const char *list, const char *before,
                            const char *after) {
    const char *member = strstr(request.data, "\"limit\":");
    size_t count = (member == NULL ? 1 : strtoul(member + 8, NULL, 10)) + 1;
    char *json = malloc((sizeof record + 64) * count + 64);
    if (json == NULL) abort();
    char *to = json + sprintf(json, "{\"%s\":[", list);
    for (size_t i = 0; i < count; i++) to += sprintf(to, "%s%s%s%s", i > 0 ? "," : "", before, record, after);
    sprintf(to, "],\"total\":%zu}", count);
    answer(instance, call, json);
    free(json);
}

OPERATION(too_many_hits) { answer_too_many(self, call, request, "hits", "{\"record\":", ",\"distance\":0.5}"); }
OPERATION(too_many_records) { answer_too_many(self, call, request, "records", "", ""); }
OPERATION(too_many_removed) { answer(self, call, "{\"deleted\":1000000}"); }
OPERATION(too_many_updated) { answer(self, call, "{\"updated\":1000000}"); }
OPERATION(less_than_none) { answer(self, call, "{\"count\":-1}"); }
OPERATION(too_few_ids) {
    char *json = ids_answer(request, 1);
    answer(self, call, json);
    free(json);
}

FACTORY(create_wrong_count) {
    struct instance *instance = good_instance(host);
    instance->table.add = too_few_ids;
    instance->table.search = too_many_hits;
    instance->table.list = too_many_records;
    instance->table.count = less_than_none;
    instance->table.remove = too_many_removed;
    instance->table.update = too_many_updated;
    return &instance->table;
}

OPERATION(status_unknown) { complete(self, call, 99, "{\"message\":\"a status of our own\"}"); }
OPERATION(status_negative) { complete(self, call, -1, "{\"message\":\"a status of our own\"}"); }
OPERATION(status_for_prepare) { complete(self, call, MEMORY_BACKEND_MISCONFIGURED, "{\"message\":\"only prepare may say this\"}"); }
OPERATION(error_without_message) { complete(self, call, MEMORY_BACKEND_STORE_UNAVAILABLE, "{}"); }
OPERATION(error_without_json) { complete(self, call, MEMORY_BACKEND_STORE_UNAVAILABLE, "down"); }
OPERATION(error_uncalled_for) { complete(self, call, MEMORY_BACKEND_CANCELLED, "{\"message\":\"nobody cancelled this\"}"); }

FACTORY(create_bad_status) {
    struct instance *instance = good_instance(host);
    instance->table.search = status_unknown;
    instance->table.list = status_negative;
    instance->table.count = status_for_prepare;
    instance->table.add = error_without_message;
    instance->table.remove = error_without_json;
    instance->table.update = error_uncalled_for;
    return &instance->table;
}

/* MARK: The host is misused */

static void count_embedded(void *context, memory_backend_status status, const float *matrix, size_t rows, size_t columns,
                           memory_backend_text message) {
    struct instance *instance = context;
    pthread_mutex_lock(&instance->lock);
    instance->embedded++;
    pthread_mutex_unlock(&instance->lock);
}

static void embed(struct instance *instance, uint64_t call, const memory_backend_text *texts, size_t count, memory_backend_embedded embedded) {
    instance->host->embed(instance->host->context, call, texts, count, embedded, instance);
}

OPERATION(embed_badly) {
    const memory_backend_text one = text("a text"), none = {NULL, 5}, bytes = text("\xFF\xFE");
    embed(self, call, &one, 0, count_embedded);
    embed(self, call, NULL, 0, count_embedded);
    embed(self, call, NULL, 1, count_embedded);
    embed(self, call, &none, 1, count_embedded);
    embed(self, call, &bytes, 1, count_embedded);
    embed(self, call + 1000000, &one, 1, count_embedded);
    embed(self, call, &one, 1, NULL);
    answer(self, call, no_hits);
}

OPERATION(embed_too_late) {
    const memory_backend_text one = text("a text");
    answer(self, call, no_records);
    embed(self, call, &one, 1, count_embedded);
}

/* How many of those requests have been answered. */
OPERATION(count_answers) {
    struct instance *instance = self;
    char json[40];
    pthread_mutex_lock(&instance->lock);
    snprintf(json, sizeof json, "{\"count\":%d}", instance->embedded);
    pthread_mutex_unlock(&instance->lock);
    answer(instance, call, json);
}

/* Frees nothing, so that a vector that comes after all is not the end of the process. */
static void close_keeping(void *self) {}

FACTORY(create_bad_embedding) {
    struct instance *instance = good_instance(host);
    instance->table.close = close_keeping;
    instance->table.search = embed_badly;
    instance->table.list = embed_too_late;
    instance->table.count = count_answers;
    return &instance->table;
}
