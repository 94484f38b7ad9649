/* Which records a call is about. */
#ifndef HELLO_FILTER_H
#define HELLO_FILTER_H

#include "records.h"

struct tag_condition {
    enum field field;
    struct strings all, none;
    struct strings *any; /* groups, of each of which one must be there */
    size_t any_count;
    bool has_prefix;
    slice prefix;
};

enum comparison { GT, GTE, LT, LTE, EQ, NE, COMPARISON_COUNT };

struct date_bound {
    enum field field;
    enum comparison comparison;
    int64_t value; /* microseconds since 1970-01-01T00:00:00Z */
};

struct filter {
    struct tag_condition *tags;
    struct date_bound *dates;
    size_t tag_count, date_count;
};

/* Reads the JSON of a filter. A field or comparison that is not known is an error: passed over, it would match too much (rule F9). */
bool filter_read(struct arena *arena, slice json, struct filter *filter, struct problem *problem);

bool filter_matches(const struct filter *filter, const struct record *record);

#endif
