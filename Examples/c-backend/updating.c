/*
 * The update of single members (rules U1, U2). What an update makes of a record depends on the record, so all is decided with the lock held: new
 * records are made of the old ones and take their place before anyone else can change them. Only texts need more: their vectors come from
 * elsewhere, and the lock must not be held meanwhile. So it is released, and then everything is decided again; which is also
 * what finds out whether the record is still the one that the vectors were fetched for.
 */
#define _POSIX_C_SOURCE 200809L

#include <string.h>

#include "backend.h"

static const int64_t MICROSECONDS = 1000000; /* in a second */

/* What is asked for, for one record. */
struct change {
    slice id;
    slice set[FIELD_COUNT]; /* JSON values; empty: stays */
    bool has_access;
    int64_t at, interval; /* microseconds */
};

struct changes {
    struct change *items;
    size_t count;
};

/* Texts with their vectors, as far as they have been fetched. */
struct known_vectors {
    slice *texts;
    const float **vectors;
    size_t count;
};

/* What one look at the store has come to. */
struct plan {
    struct record **old; /* with what takes their place in `pending` */
    size_t count;
    slice *missing; /* texts without vectors */
    size_t missing_count;
};

/* MARK: The request */

static bool read_access(slice access, struct change *change) {
    if (json_is_null(access)) return true;
    int64_t seconds, longest = INT64_C(400000000000); /* more than all years there are; times MICROSECONDS it still fits */
    change->has_access = true;
    if (!json_integer(json_member(access, "at"), &change->at)) return false;
    if (!json_integer(json_member(access, "minimum_interval_seconds"), &seconds) || seconds < 0) return false;
    change->interval = (seconds < longest ? seconds : longest) * MICROSECONDS;
    return true;
}

static bool read_changes(struct call *call, struct changes *changes) {
    struct json_cursor cursor;
    slice list = json_member(call->request, "updates"), update;
    changes->items = arena_take(&call->arena, json_length(list), sizeof *changes->items);
    if (changes->items == NULL) return refuse_memory(&call->problem);
    json_open(&cursor, list, '[');
    while (json_next_element(&cursor, &update)) {
        struct change *change = &changes->items[changes->count++];
        if (!record_members(json_member(update, "set"), change->set, &call->problem)) return false;
        change->set[ID] = (slice){0}; /* a record keeps its identity */
        if (!json_string(&call->arena, json_member(update, "id"), &change->id) || !read_access(json_member(update, "access"), change))
            return refuse_request(&call->problem, "an update of the request has no id or no access as memory_backend.schema.json says");
    }
    return !cursor.bad || refuse_request(&call->problem, "the request has no list of updates");
}

/* MARK: One record */

static bool write_integer(struct arena *arena, int64_t number, slice *json) {
    struct buffer digits = {.data = arena_take(arena, 24, 1), .capacity = 24};
    if (digits.data == NULL) return false;
    buffer_integer(&digits, number);
    *json = (slice){digits.data, digits.size};
    return true;
}

/* Asks the server for the hash of what the members are now (rule R8). */
static bool write_hash(struct call *call, slice members[FIELD_COUNT]) {
    static const enum field hashed[] = {TEXT, MEMORY_TYPE, SESSION_ID, USER_ID, NAMESPACE};
    const memory_backend_host *host = call->backend->host;
    size_t size = 2;
    for (size_t i = 0; i < sizeof hashed / sizeof *hashed; i++) size += strlen(field_names[hashed[i]]) + members[hashed[i]].size + 4;
    struct buffer record = {.data = arena_take(&call->arena, size, 1), .capacity = size};
    char hash[65], *json = arena_take(&call->arena, 66, 1);
    if (record.data == NULL || json == NULL) return refuse_memory(&call->problem);
    for (size_t i = 0; i < sizeof hashed / sizeof *hashed; i++) {
        const char *name = field_names[hashed[i]];
        buffer_add(&record, i == 0 ? SLICE("{\"") : SLICE(",\""));
        buffer_add(&record, (slice){name, strlen(name)});
        buffer_add(&record, SLICE("\":"));
        buffer_add(&record, members[hashed[i]]);
    }
    buffer_add(&record, SLICE("}"));
    if (host->memory_hash(host->context, (slice){record.data, record.size}, hash) != 0)
        return refuse_request(&call->problem, "the server could not compute the memory_hash of an updated record");
    json[0] = json[65] = '"';
    memcpy(json + 1, hash, 64);
    members[MEMORY_HASH] = (slice){json, 66};
    return true;
}

static bool touches_hash(const struct change *change) {
    const slice *set = change->set;
    return set[TEXT].size + set[MEMORY_TYPE].size + set[SESSION_ID].size + set[USER_ID].size + set[NAMESPACE].size > 0;
}

/* Whether the change applies to the record: an access that follows the last one too closely leaves it alone. */
static bool applies(const struct change *change, const struct record *record) {
    return !change->has_access || record->dates[LAST_ACCESSED - FIRST_DATE] <= change->at - change->interval;
}

/* The record after the change, without a vector. */
static struct record *changed(struct call *call, const struct record *record, const struct change *change) {
    slice members[FIELD_COUNT];
    int64_t access_count;
    for (size_t field = 0; field < FIELD_COUNT; field++)
        members[field] = change->set[field].size > 0 ? change->set[field] : record->members[field];
    if (change->has_access) {
        if (!json_integer(record->members[ACCESS_COUNT], &access_count) || !write_integer(&call->arena, change->at, &members[LAST_ACCESSED]) ||
            !write_integer(&call->arena, access_count + 1, &members[ACCESS_COUNT])) {
            refuse_request(&call->problem, "a stored record has no whole number as access_count");
            return NULL;
        }
    }
    if (touches_hash(change) && !write_hash(call, members)) return NULL;
    return record_create(members, &call->problem);
}

/* MARK: All of them, with the lock held */

static const float *vector_of(const struct known_vectors *known, slice text) {
    for (size_t i = 0; i < known->count; i++) {
        if (slices_equal(known->texts[i], text)) return known->vectors[i];
    }
    return NULL;
}

/* Makes what takes the place of each record; several changes of one record are applied one after another. */
static bool plan_records(struct call *call, const struct changes *changes, struct plan *plan) {
    for (size_t i = 0; i < changes->count; i++) {
        const struct change *change = &changes->items[i];
        struct record *old = store_find(&call->backend->store, change->id);
        if (old == NULL) continue;
        const struct record *current = old->pending != NULL ? old->pending : old;
        if (!applies(change, current)) continue;
        struct record *next = changed(call, current, change);
        if (next == NULL) return false;
        if (old->pending == NULL) plan->old[plan->count++] = old;
        record_free(old->pending);
        old->pending = next;
    }
    return true;
}

/* Gives the new records their vectors: the old one where the text has stayed, else one that is known; notes the texts of those that are not. */
static bool plan_vectors(struct call *call, const struct known_vectors *known, struct plan *plan) {
    for (size_t i = 0; i < plan->count; i++) {
        struct record *old = plan->old[i], *next = old->pending;
        const float *vector = slices_equal(old->text, next->text) ? old->vector : vector_of(known, next->text);
        if (vector != NULL) {
            if (!record_set_vector(next, vector, call->backend->dimensions, &call->problem)) return false;
            continue;
        }
        /* A copy: the record that holds the text is thrown away before the vectors come. */
        char *copy = arena_take(&call->arena, next->text.size, 1);
        if (copy == NULL) return refuse_memory(&call->problem);
        if (next->text.size > 0) memcpy(copy, next->text.data, next->text.size);
        plan->missing[plan->missing_count++] = (slice){copy, next->text.size};
    }
    return true;
}

static bool make_plan(struct call *call, const struct changes *changes, const struct known_vectors *known, struct plan *plan) {
    *plan = (struct plan){
        .old = arena_take(&call->arena, changes->count, sizeof *plan->old),
        .missing = arena_take(&call->arena, changes->count, sizeof *plan->missing),
    };
    if (plan->old == NULL || plan->missing == NULL) return refuse_memory(&call->problem);
    if (!plan_records(call, changes, plan) || !plan_vectors(call, known, plan)) return false;
    call->answer.size = 0;
    buffer_add(&call->answer, SLICE("{\"updated\":"));
    buffer_integer(&call->answer, (int64_t)plan->count);
    buffer_add(&call->answer, SLICE("}"));
    return !call->answer.failed;
}

/* Puts the new records into the store, or throws them away. */
static void end_plan(struct call *call, struct plan *plan, bool write) {
    for (size_t i = 0; i < plan->count; i++) {
        struct record *next = plan->old[i]->pending;
        plan->old[i]->pending = NULL;
        if (write) {
            store_put(&call->backend->store, next);
        } else {
            record_free(next);
        }
    }
}

/* MARK: The operation */

static bool fetch_vectors(struct call *call, const struct plan *plan, struct known_vectors *known) {
    const struct backend *backend = call->backend;
    size_t count = known->count + plan->missing_count;
    slice *texts = arena_take(&call->arena, count, sizeof *texts);
    const float **vectors = arena_take(&call->arena, count, sizeof *vectors);
    const float *matrix;
    if (texts == NULL || vectors == NULL) return refuse_memory(&call->problem);
    if (!embed(backend->host, call->number, plan->missing, plan->missing_count, backend->dimensions, &call->arena, &matrix, &call->problem))
        return false;
    for (size_t i = 0; i < count; i++) {
        texts[i] = i < known->count ? known->texts[i] : plan->missing[i - known->count];
        vectors[i] = i < known->count ? known->vectors[i] : matrix + (i - known->count) * backend->dimensions;
    }
    *known = (struct known_vectors){texts, vectors, count};
    return true;
}

bool update_records(struct call *call) {
    struct changes changes = {0};
    struct known_vectors known = {0};
    struct plan plan;
    if (!read_changes(call, &changes)) return false;
    for (;;) {
        pthread_mutex_lock(&call->backend->lock);
        bool planned = make_plan(call, &changes, &known, &plan);
        bool complete = planned && plan.missing_count == 0;
        end_plan(call, &plan, complete);
        pthread_mutex_unlock(&call->backend->lock);
        if (complete || !planned) return planned;
        if (!fetch_vectors(call, &plan, &known)) return false;
    }
}
