/* The operations that only look: search, list and count. */
#define _POSIX_C_SOURCE 200809L

#include <stdlib.h>

#include "backend.h"

struct page {
    int64_t offset, limit;
};

static bool read_page(struct call *call, struct page *page) {
    bool good = json_integer(json_member(call->request, "offset"), &page->offset) && page->offset >= 0 &&
                json_integer(json_member(call->request, "limit"), &page->limit) && page->limit >= 0;
    return good || refuse_request(&call->problem, "the request has no offset or no limit of 0 or more");
}

/* Cuts the page out of `count` results: from `*start` up to before `*end`. */
static void cut(struct page page, size_t count, size_t *start, size_t *end) {
    *start = (uint64_t)page.offset < count ? (size_t)page.offset : count;
    *end = (uint64_t)page.limit < count - *start ? *start + (size_t)page.limit : count;
}

/* Ends the answer {...: [ ... ], "total": n}. */
static bool finish(struct call *call, size_t total) {
    buffer_add(&call->answer, SLICE("],\"total\":"));
    buffer_integer(&call->answer, (int64_t)total);
    buffer_add(&call->answer, SLICE("}"));
    return !call->answer.failed;
}

/* MARK: Search */

struct hit {
    double distance;
    const struct record *record;
};

/* Nearest first, then by the bytes of the id (rule S2). */
static int hit_order(const void *a, const void *b) {
    const struct hit *left = a, *right = b;
    if (left->distance != right->distance) return left->distance < right->distance ? -1 : 1;
    return slices_compare(left->record->id, right->record->id);
}

struct semantic_query {
    const float *vector;
    double squares;
    bool has_threshold;
    double threshold; /* the greatest distance that counts */
};

static bool read_query(struct call *call, struct semantic_query *query) {
    slice ranking = json_member(call->request, "ranking"), mode, text;
    slice threshold = json_member(ranking, "distance_threshold");
    if (!json_string(&call->arena, json_member(ranking, "mode"), &mode) || !json_string(&call->arena, json_member(call->request, "text"), &text))
        return refuse_request(&call->problem, "the request has no text or no ranking with a mode");
    /* The server does not ask for what is not declared; if it does, an order by something else would be a lie. */
    if (!slices_equal(mode, SLICE("semantic")))
        return refuse(&call->problem, MEMORY_BACKEND_UNSUPPORTED, "the backend hello has no ranking ", mode);
    query->has_threshold = threshold.size > 0 && !json_is_null(threshold);
    if (query->has_threshold && !json_number(threshold, &query->threshold))
        return refuse_request(&call->problem, "the distance_threshold of the request is not a number");
    size_t dimensions = call->backend->dimensions;
    if (!embed(call->backend->host, call->number, &text, 1, dimensions, &call->arena, &query->vector, &call->problem)) return false;
    query->squares = sum_of_squares(query->vector, dimensions);
    return true;
}

/* Looks at every record and writes the answer, with the lock held. */
static bool write_nearest(struct call *call, const struct filter *filter, const struct semantic_query *query, struct page page) {
    const struct backend *backend = call->backend;
    struct hit *hits = arena_take(&call->arena, backend->store.count, sizeof *hits);
    size_t count = 0, start, end;
    if (hits == NULL) return refuse_memory(&call->problem);
    for (struct record *record = NULL; (record = store_next(&backend->store, record)) != NULL;) {
        if (!filter_matches(filter, record)) continue;
        double apart = distance(backend->metric, record->vector, record->squares, query->vector, query->squares, backend->dimensions);
        if (!query->has_threshold || apart <= query->threshold) hits[count++] = (struct hit){apart, record};
    }
    qsort(hits, count, sizeof *hits, hit_order);
    cut(page, count, &start, &end);
    buffer_add(&call->answer, SLICE("{\"hits\":["));
    for (size_t i = start; i < end; i++) {
        buffer_add(&call->answer, i == start ? SLICE("{\"record\":") : SLICE(",{\"record\":"));
        buffer_add(&call->answer, hits[i].record->json);
        buffer_add(&call->answer, SLICE(",\"distance\":"));
        buffer_number(&call->answer, hits[i].distance);
        buffer_add(&call->answer, SLICE("}"));
    }
    return finish(call, count);
}

bool search_records(struct call *call) {
    struct filter filter;
    struct page page;
    struct semantic_query query = {0};
    if (!read_page(call, &page)) return false;
    if (!filter_read(&call->arena, json_member(call->request, "filter"), &filter, &call->problem)) return false;
    if (!read_query(call, &query)) return false;
    pthread_mutex_lock(&call->backend->lock);
    bool found = write_nearest(call, &filter, &query, page);
    pthread_mutex_unlock(&call->backend->lock);
    return found;
}

/* MARK: List and count */

static bool write_newest(struct call *call, const struct filter *filter, struct page page) {
    const struct store *store = &call->backend->store;
    struct record **matches = arena_take(&call->arena, store->count, sizeof *matches);
    size_t count = 0, start, end;
    if (matches == NULL) return refuse_memory(&call->problem);
    for (struct record *record = NULL; (record = store_next(store, record)) != NULL;) {
        if (filter_matches(filter, record)) matches[count++] = record;
    }
    qsort(matches, count, sizeof *matches, record_order);
    cut(page, count, &start, &end);
    buffer_add(&call->answer, SLICE("{\"records\":["));
    for (size_t i = start; i < end; i++) {
        if (i > start) buffer_add(&call->answer, SLICE(","));
        buffer_add(&call->answer, matches[i]->json);
    }
    return finish(call, count);
}

bool list_records(struct call *call) {
    struct filter filter;
    struct page page;
    if (!read_page(call, &page)) return false;
    if (!filter_read(&call->arena, json_member(call->request, "filter"), &filter, &call->problem)) return false;
    pthread_mutex_lock(&call->backend->lock);
    bool found = write_newest(call, &filter, page);
    pthread_mutex_unlock(&call->backend->lock);
    return found;
}

bool count_records(struct call *call) {
    struct filter filter;
    int64_t count = 0;
    if (!filter_read(&call->arena, json_member(call->request, "filter"), &filter, &call->problem)) return false;
    pthread_mutex_lock(&call->backend->lock);
    for (struct record *record = NULL; (record = store_next(&call->backend->store, record)) != NULL;) {
        if (filter_matches(&filter, record)) count++;
    }
    pthread_mutex_unlock(&call->backend->lock);
    buffer_add(&call->answer, SLICE("{\"count\":"));
    buffer_integer(&call->answer, count);
    buffer_add(&call->answer, SLICE("}"));
    return !call->answer.failed;
}
