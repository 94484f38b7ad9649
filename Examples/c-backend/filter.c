#include "filter.h"

#include <string.h>

static const char *const comparison_names[COMPARISON_COUNT] = {
    [GT] = "gt", [GTE] = "gte", [LT] = "lt", [LTE] = "lte", [EQ] = "eq", [NE] = "ne",
};

/* MARK: Reading */

static bool malformed(struct problem *problem) {
    return refuse_request(problem, "the filter of the request is not as memory_backend.schema.json says");
}

static bool read_condition(struct arena *arena, slice json, struct tag_condition *condition, struct problem *problem) {
    struct json_cursor cursor;
    slice value, groups = json_member(json, "any"), prefix = json_member(json, "startswith");
    if (!json_strings(arena, json_member(json, "all"), &condition->all)) return malformed(problem);
    if (!json_strings(arena, json_member(json, "none"), &condition->none)) return malformed(problem);
    condition->any = arena_take(arena, json_length(groups), sizeof *condition->any);
    if (condition->any == NULL) return refuse_memory(problem);
    json_open(&cursor, groups, '[');
    while (json_next_element(&cursor, &value)) {
        if (!json_strings(arena, value, &condition->any[condition->any_count])) return malformed(problem);
        condition->any_count++;
    }
    condition->has_prefix = !json_is_null(prefix);
    if (condition->has_prefix && !json_string(arena, prefix, &condition->prefix)) return malformed(problem);
    return !cursor.bad || malformed(problem);
}

static bool read_tags(struct arena *arena, slice json, struct filter *filter, struct problem *problem) {
    struct json_cursor cursor;
    slice name, value;
    filter->tags = arena_take(arena, TAG_COUNT, sizeof *filter->tags);
    if (filter->tags == NULL) return refuse_memory(problem);
    json_open(&cursor, json, '{');
    while (json_next_member(&cursor, &name, &value)) {
        enum field field = field_named(name);
        if (field >= TAG_COUNT || filter->tag_count == TAG_COUNT)
            return refuse(problem, MEMORY_BACKEND_INVALID_INPUT, "there is no filter on the field ", name);
        struct tag_condition *condition = &filter->tags[filter->tag_count++];
        condition->field = field;
        if (!read_condition(arena, value, condition, problem)) return false;
    }
    return !cursor.bad || malformed(problem);
}

static bool read_bound(struct arena *arena, slice json, struct date_bound *bound, struct problem *problem) {
    slice name;
    if (!json_string(arena, json_member(json, "comparison"), &name)) return malformed(problem);
    size_t comparison = 0;
    while (comparison < COMPARISON_COUNT && !slices_equal(name, (slice){comparison_names[comparison], strlen(comparison_names[comparison])}))
        comparison++;
    if (comparison == COMPARISON_COUNT) return refuse(problem, MEMORY_BACKEND_INVALID_INPUT, "dates have no comparison ", name);
    bound->comparison = (enum comparison)comparison;
    return json_integer(json_member(json, "value"), &bound->value) || malformed(problem);
}

static bool read_dates(struct arena *arena, slice json, struct filter *filter, struct problem *problem) {
    struct json_cursor fields, bounds;
    slice name, list, value;
    size_t count = 0;
    json_open(&fields, json, '{');
    while (json_next_member(&fields, &name, &list)) count += json_length(list);
    filter->dates = arena_take(arena, count, sizeof *filter->dates);
    if (filter->dates == NULL) return refuse_memory(problem);
    json_open(&fields, json, '{');
    while (json_next_member(&fields, &name, &list)) {
        enum field field = field_named(name);
        if (field < FIRST_DATE || field >= DATES_END)
            return refuse(problem, MEMORY_BACKEND_INVALID_INPUT, "there is no date filter on the field ", name);
        json_open(&bounds, list, '[');
        while (json_next_element(&bounds, &value)) {
            struct date_bound *bound = &filter->dates[filter->date_count++];
            bound->field = field;
            if (!read_bound(arena, value, bound, problem)) return false;
        }
        if (bounds.bad) return malformed(problem);
    }
    return !fields.bad || malformed(problem);
}

bool filter_read(struct arena *arena, slice json, struct filter *filter, struct problem *problem) {
    *filter = (struct filter){0};
    return read_tags(arena, json_member(json, "tags"), filter, problem) && read_dates(arena, json_member(json, "dates"), filter, problem);
}

/* MARK: Meaning */

static bool contains(struct strings strings, slice wanted) {
    for (size_t i = 0; i < strings.count; i++) {
        if (slices_equal(strings.items[i], wanted)) return true;
    }
    return false;
}

static bool contains_any(struct strings strings, struct strings wanted) {
    for (size_t i = 0; i < wanted.count; i++) {
        if (contains(strings, wanted.items[i])) return true;
    }
    return false;
}

static bool tag_matches(const struct tag_condition *condition, struct strings values) {
    for (size_t i = 0; i < condition->all.count; i++) {
        if (!contains(values, condition->all.items[i])) return false;
    }
    for (size_t i = 0; i < condition->any_count; i++) {
        if (!contains_any(values, condition->any[i])) return false;
    }
    /* A field without a value holds none of these: it matches (rule F4). */
    if (contains_any(values, condition->none)) return false;
    if (!condition->has_prefix) return true;
    for (size_t i = 0; i < values.count; i++) {
        if (slice_begins_with(values.items[i], condition->prefix)) return true;
    }
    return false;
}

static bool date_matches(const struct date_bound *bound, const struct record *record) {
    if (!record->has_date[bound->field - FIRST_DATE]) return bound->comparison == NE;
    int64_t date = record->dates[bound->field - FIRST_DATE];
    switch (bound->comparison) {
    case GT: return date > bound->value;
    case GTE: return date >= bound->value;
    case LT: return date < bound->value;
    case LTE: return date <= bound->value;
    case EQ: return date == bound->value;
    case NE: return date != bound->value;
    default: return false;
    }
}

bool filter_matches(const struct filter *filter, const struct record *record) {
    for (size_t i = 0; i < filter->tag_count; i++) {
        if (!tag_matches(&filter->tags[i], record->tags[filter->tags[i].field])) return false;
    }
    for (size_t i = 0; i < filter->date_count; i++) {
        if (!date_matches(&filter->dates[i], record)) return false;
    }
    return true;
}
