/* The operations that store and remove whole records. */
#define _POSIX_C_SOURCE 200809L

#include "backend.h"

struct batch {
    struct record **records;
    slice *texts;
    size_t count;
};

static bool read_batch(struct call *call, struct batch *batch) {
    struct json_cursor cursor;
    slice list = json_member(call->request, "records"), object;
    size_t length = json_length(list);
    batch->records = arena_take(&call->arena, length, sizeof *batch->records);
    batch->texts = arena_take(&call->arena, length, sizeof *batch->texts);
    if (batch->records == NULL || batch->texts == NULL) return refuse_memory(&call->problem);
    json_open(&cursor, list, '[');
    while (json_next_element(&cursor, &object)) {
        slice members[FIELD_COUNT] = {0};
        if (!record_members(object, members, &call->problem)) return false;
        struct record *record = record_create(members, &call->problem);
        if (record == NULL) return false;
        batch->texts[batch->count] = record->text;
        batch->records[batch->count++] = record;
    }
    return !cursor.bad || refuse_request(&call->problem, "the request has no list of records");
}

/* Everything that can fail; what is left after it is to put the records into the store. */
static bool make_batch(struct call *call, struct batch *batch) {
    const struct backend *backend = call->backend;
    const float *vectors;
    if (!read_batch(call, batch)) return false;
    if (!embed(backend->host, call->number, batch->texts, batch->count, backend->dimensions, &call->arena, &vectors, &call->problem))
        return false;
    buffer_add(&call->answer, SLICE("{\"ids\":["));
    for (size_t i = 0; i < batch->count; i++) {
        const float *vector = vectors + i * backend->dimensions;
        if (!record_set_vector(batch->records[i], vector, backend->dimensions, &call->problem)) return false;
        if (i > 0) buffer_add(&call->answer, SLICE(","));
        buffer_add(&call->answer, batch->records[i]->members[ID]);
    }
    buffer_add(&call->answer, SLICE("]}"));
    return !call->answer.failed;
}

bool add_records(struct call *call) {
    struct batch batch = {0};
    if (!make_batch(call, &batch)) {
        for (size_t i = 0; i < batch.count; i++) record_free(batch.records[i]);
        return false;
    }
    pthread_mutex_lock(&call->backend->lock);
    /* In order, so that of two records with one id the last one stays (rule R2). */
    for (size_t i = 0; i < batch.count; i++) store_put(&call->backend->store, batch.records[i]);
    pthread_mutex_unlock(&call->backend->lock);
    return true;
}

bool remove_records(struct call *call) {
    struct strings ids;
    int64_t removed = 0;
    if (!json_strings(&call->arena, json_member(call->request, "ids"), &ids))
        return refuse_request(&call->problem, "the request has no list of ids");
    /* Room for the answer first: an answer that cannot be given must not have removed anything. */
    buffer_reserve(&call->answer, 64);
    if (call->answer.failed) return false;
    pthread_mutex_lock(&call->backend->lock);
    for (size_t i = 0; i < ids.count; i++) {
        if (store_remove(&call->backend->store, ids.items[i])) removed++;
    }
    pthread_mutex_unlock(&call->backend->lock);
    buffer_add(&call->answer, SLICE("{\"deleted\":"));
    buffer_integer(&call->answer, removed);
    buffer_add(&call->answer, SLICE("}"));
    return true;
}
