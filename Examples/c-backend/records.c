#include "records.h"

#include <stdlib.h>
#include <string.h>

#include "embeddings.h"

const char *const field_names[FIELD_COUNT] = {
    [ID] = "id",
    [SESSION_ID] = "session_id",
    [USER_ID] = "user_id",
    [NAMESPACE] = "namespace",
    [MEMORY_TYPE] = "memory_type",
    [EXTRACTION_STRATEGY] = "extraction_strategy",
    [MEMORY_HASH] = "memory_hash",
    [DISCRETE_MEMORY_EXTRACTED] = "discrete_memory_extracted",
    [TOPICS] = "topics",
    [ENTITIES] = "entities",
    [CREATED_AT] = "created_at",
    [LAST_ACCESSED] = "last_accessed",
    [EVENT_DATE] = "event_date",
    [TEXT] = "text",
    [EXTRACTED_FROM] = "extracted_from",
    [EXTRACTION_STRATEGY_CONFIG] = "extraction_strategy_config",
    [METADATA] = "metadata",
    [PINNED] = "pinned",
    [ACCESS_COUNT] = "access_count",
    [UPDATED_AT] = "updated_at",
    [PERSISTED_AT] = "persisted_at",
};

static slice field_name(size_t field) {
    return (slice){field_names[field], strlen(field_names[field])};
}

enum field field_named(slice name) {
    size_t field = 0;
    while (field < FIELD_COUNT && !slices_equal(name, field_name(field))) field++;
    return (enum field)field;
}

bool record_members(slice object, slice members[FIELD_COUNT], struct problem *problem) {
    struct json_cursor cursor;
    slice name, value;
    json_open(&cursor, object, '{');
    while (json_next_member(&cursor, &name, &value)) {
        enum field field = field_named(name);
        if (field < FIELD_COUNT) members[field] = value;
    }
    return !cursor.bad || refuse_request(problem, "a record of the request is not a JSON object");
}

/* Writes the members one after another, and makes `members` of the record point to where they stand there. */
static bool write_json(struct record *record, const slice members[FIELD_COUNT]) {
    size_t size = 2;
    for (size_t field = 0; field < FIELD_COUNT; field++) size += strlen(field_names[field]) + members[field].size + 4;
    /* One byte more, all zero, so that numbers can be read up to the end. */
    char *start = arena_take(&record->arena, size + 1, 1);
    if (start == NULL) return false;
    struct buffer json = {.data = start, .capacity = size};
    for (size_t field = 0; field < FIELD_COUNT; field++) {
        buffer_add(&json, field == 0 ? SLICE("{\"") : SLICE(",\""));
        buffer_add(&json, field_name(field));
        buffer_add(&json, SLICE("\":"));
        record->members[field] = (slice){start + json.size, members[field].size};
        buffer_add(&json, members[field]);
    }
    buffer_add(&json, SLICE("}"));
    record->json = (slice){start, json.size};
    return true;
}

/* Reads what filters compare. */
static bool read_member(struct record *record, size_t field) {
    slice value = record->members[field];
    if (field == TEXT) return json_string(&record->arena, value, &record->text);
    if (field == TOPICS || field == ENTITIES) return json_strings(&record->arena, value, &record->tags[field]);
    if (json_is_null(value)) return field != ID;
    if (field < TAG_COUNT) {
        record->tags[field] = (struct strings){arena_take(&record->arena, 1, sizeof(slice)), 1};
        return record->tags[field].items != NULL && json_string(&record->arena, value, &record->tags[field].items[0]);
    }
    if (field < DATES_END) {
        record->has_date[field - FIRST_DATE] = true;
        return json_integer(value, &record->dates[field - FIRST_DATE]);
    }
    return true;
}

/* FNV-1a. Its values are known beforehand, so clients can choose ids that are slow: good enough for an example. */
static uint64_t hash_of(slice id) {
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < id.size; i++) hash = (hash ^ (unsigned char)id.data[i]) * UINT64_C(1099511628211);
    return hash;
}

struct record *record_create(const slice members[FIELD_COUNT], struct problem *problem) {
    struct record *record = calloc(1, sizeof *record);
    if (record == NULL) {
        refuse_memory(problem);
        return NULL;
    }
    bool made = true;
    for (size_t field = 0; made && field < FIELD_COUNT; field++) {
        if (members[field].size == 0)
            made = refuse(problem, MEMORY_BACKEND_INTERNAL_ERROR, "a record of the request lacks the member ", field_name(field));
    }
    made = made && (write_json(record, members) || refuse_memory(problem));
    for (size_t field = 0; made && field < FIELD_COUNT; field++) {
        made = read_member(record, field) ||
               refuse(problem, MEMORY_BACKEND_INTERNAL_ERROR, "a record of the request has a value of another kind in ", field_name(field));
    }
    if (!made) {
        if (record->arena.failed) refuse_memory(problem);
        record_free(record);
        return NULL;
    }
    record->id = record->tags[ID].items[0];
    record->hash = hash_of(record->id);
    return record;
}

bool record_set_vector(struct record *record, const float *vector, size_t dimensions, struct problem *problem) {
    record->vector = arena_take(&record->arena, dimensions, sizeof *vector);
    if (record->vector == NULL) return refuse_memory(problem);
    memcpy(record->vector, vector, dimensions * sizeof *vector);
    record->squares = sum_of_squares(vector, dimensions);
    return true;
}

void record_free(struct record *record) {
    if (record == NULL) return;
    arena_free(&record->arena);
    free(record);
}

int record_order(const void *a, const void *b) {
    const struct record *left = *(struct record *const *)a, *right = *(struct record *const *)b;
    int64_t newer = left->dates[CREATED_AT - FIRST_DATE], older = right->dates[CREATED_AT - FIRST_DATE];
    return newer != older ? (newer < older ? 1 : -1) : slices_compare(left->id, right->id);
}

/* MARK: The table */

bool store_create(struct store *store) {
    enum { FIRST_BUCKETS = 64 };
    *store = (struct store){.buckets = calloc(FIRST_BUCKETS, sizeof *store->buckets), .bucket_count = FIRST_BUCKETS};
    return store->buckets != NULL;
}

static struct record **bucket_of(const struct store *store, uint64_t hash) {
    return &store->buckets[hash & (store->bucket_count - 1)];
}

/* The pointer that points to the record, or the NULL at the end of its bucket. */
static struct record **place(const struct store *store, slice id) {
    struct record **at = bucket_of(store, hash_of(id));
    while (*at != NULL && !slices_equal((*at)->id, id)) at = &(*at)->next;
    return at;
}

struct record *store_find(const struct store *store, slice id) {
    return *place(store, id);
}

/* Makes room for one record more. Without memory the table stays as it is, and only gets slower. */
static void grow(struct store *store) {
    if (store->count < store->bucket_count) return;
    struct store larger = {calloc(store->bucket_count * 2, sizeof *store->buckets), store->bucket_count * 2, store->count};
    if (larger.buckets == NULL) return;
    for (size_t i = 0; i < store->bucket_count; i++) {
        for (struct record *record = store->buckets[i], *next; record != NULL; record = next) {
            next = record->next;
            struct record **bucket = bucket_of(&larger, record->hash);
            record->next = *bucket;
            *bucket = record;
        }
    }
    free(store->buckets);
    *store = larger;
}

void store_put(struct store *store, struct record *record) {
    grow(store);
    struct record **at = place(store, record->id), *old = *at;
    record->next = old == NULL ? NULL : old->next;
    *at = record;
    if (old == NULL) store->count++;
    record_free(old);
}

bool store_remove(struct store *store, slice id) {
    struct record **at = place(store, id), *old = *at;
    if (old == NULL) return false;
    *at = old->next;
    store->count--;
    record_free(old);
    return true;
}

struct record *store_next(const struct store *store, const struct record *record) {
    if (record != NULL && record->next != NULL) return record->next;
    struct record **end = store->buckets + store->bucket_count;
    for (struct record **bucket = record == NULL ? store->buckets : bucket_of(store, record->hash) + 1; bucket < end; bucket++) {
        if (*bucket != NULL) return *bucket;
    }
    return NULL;
}

void store_free(struct store *store) {
    for (size_t i = 0; i < store->bucket_count; i++) {
        for (struct record *record = store->buckets[i], *next; record != NULL; record = next) {
            next = record->next;
            record_free(record);
        }
    }
    free(store->buckets);
    *store = (struct store){0};
}
