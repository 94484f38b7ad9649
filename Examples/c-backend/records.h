/* Records as they are stored, and the table of them. Nothing here locks; see backend.h. */
#ifndef HELLO_RECORDS_H
#define HELLO_RECORDS_H

#include "json.h"
#include "problem.h"

/* The members of a record. Those that filters compare as strings come first, then those that they compare as dates. */
enum field {
    ID,
    SESSION_ID,
    USER_ID,
    NAMESPACE,
    MEMORY_TYPE,
    EXTRACTION_STRATEGY,
    MEMORY_HASH,
    DISCRETE_MEMORY_EXTRACTED,
    TOPICS,
    ENTITIES,
    TAG_COUNT,
    FIRST_DATE = TAG_COUNT,
    CREATED_AT = FIRST_DATE,
    LAST_ACCESSED,
    EVENT_DATE,
    DATES_END,
    TEXT = DATES_END,
    EXTRACTED_FROM,
    EXTRACTION_STRATEGY_CONFIG,
    METADATA,
    PINNED,
    ACCESS_COUNT,
    UPDATED_AT,
    PERSISTED_AT,
    FIELD_COUNT
};
enum { DATE_COUNT = DATES_END - FIRST_DATE };

extern const char *const field_names[FIELD_COUNT];

/* FIELD_COUNT if there is no such field. */
enum field field_named(slice name);

/* A record never changes: an update makes a new one, which takes the old one's place. */
struct record {
    struct record *next;    /* in the same bucket of the table */
    struct record *pending; /* during an update: what will take its place */
    uint64_t hash;          /* of the id, for the table */

    slice json;                 /* the whole record, ready to be copied into an answer */
    slice members[FIELD_COUNT]; /* each value as JSON, within `json` */

    /* What filters and orders compare, without escapes. */
    slice id, text;
    struct strings tags[TAG_COUNT]; /* none where the member is null */
    int64_t dates[DATE_COUNT];      /* microseconds since 1970-01-01T00:00:00Z */
    bool has_date[DATE_COUNT];

    float *vector;
    double squares; /* the sum of the squares of the vector's values */

    struct arena arena; /* holds all of the above */
};

/* Finds the fields among the members of an object; those that are not there are left as they are. Names that no field has are passed over. */
bool record_members(slice object, slice members[FIELD_COUNT], struct problem *problem);

/* A record without a vector, made of a JSON value for every field. NULL if it cannot be. */
struct record *record_create(const slice members[FIELD_COUNT], struct problem *problem);
bool record_set_vector(struct record *record, const float *vector, size_t dimensions, struct problem *problem);
void record_free(struct record *record);

/* Newest first by created_at, then by the bytes of the id (rule P1). For qsort over pointers to records. */
int record_order(const void *a, const void *b);

/* A hash table by id. */
struct store {
    struct record **buckets;
    size_t bucket_count; /* a power of 2 */
    size_t count;        /* of records */
};

/* Makes an empty one; false when memory has run out. */
bool store_create(struct store *store);
struct record *store_find(const struct store *store, slice id);
/* Takes the record, in place of the one with its id. Cannot fail, so that a call that has begun to write also ends it (rule R7). */
void store_put(struct store *store, struct record *record);
/* Whether there was one. */
bool store_remove(struct store *store, slice id);
/* The record that comes after `record`, or the first one after NULL, in no order; NULL at the end. */
struct record *store_next(const struct store *store, const struct record *record);
void store_free(struct store *store);

#endif
