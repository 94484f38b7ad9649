/*
 * As much JSON as a backend needs. The reader makes no tree: a value is the slice of text where it is written, and is looked into when it is
 * asked for. So what is only stored and given back (metadata, numbers with all their digits) is copied as it came.
 *
 * The texts come from the server, which writes correct JSON. The reader never reads past the end of what it is given, but does not judge
 * what it only passes over.
 */
#ifndef HELLO_JSON_H
#define HELLO_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "memory_backend.h"

typedef memory_backend_text slice; /* bytes that someone else owns */

/* The text of a string literal. */
#define SLICE(literal) ((slice){"" literal, sizeof(literal) - 1})

bool slices_equal(slice a, slice b);
/* Below 0, 0 or above 0, by bytes: the order of ids (rule P1). */
int slices_compare(slice a, slice b);
bool slice_begins_with(slice text, slice prefix);

/* MARK: Reading */

/* Goes through the members of an object or the elements of an array. */
struct json_cursor {
    const char *at, *end;
    char close;
    bool started;
    bool bad; /* the text is not JSON; look at it when the loop has ended */
};

/* `open` is '{' or '['. Whether the value is one; if not, the cursor is bad and has nothing to give. */
bool json_open(struct json_cursor *cursor, slice value, char open);
/* `name` is what stands between the quotes. */
bool json_next_member(struct json_cursor *cursor, slice *name, slice *value);
bool json_next_element(struct json_cursor *cursor, slice *value);

/* The value of a member of an object; empty (size 0) if there is none. */
slice json_member(slice object, const char *name);
/* How many elements an array has, as far as it can be read. */
size_t json_length(slice array);

bool json_is_null(slice value);
/* The value as a string's bytes, without quotes and escapes; taken from the arena only where there are escapes. */
bool json_string(struct arena *arena, slice value, slice *string);
/* The value as a whole number of 64 bits. As json_number it needs a byte after the value that is no part of a number: a JSON text has one. */
bool json_integer(slice value, int64_t *number);
/* The server's process stays in the C locale, where strtod and printf write numbers as JSON does. */
bool json_number(slice value, double *number);

struct strings {
    slice *items;
    size_t count;
};

bool json_strings(struct arena *arena, slice array, struct strings *strings);

/* MARK: Writing */

/* A text that grows. All zero is an empty one; `data` is the owner's to free. */
struct buffer {
    char *data;
    size_t size, capacity;
    bool failed; /* memory has run out; what was added since is missing */
};

void buffer_reserve(struct buffer *buffer, size_t more);
void buffer_add(struct buffer *buffer, slice text);
void buffer_string(struct buffer *buffer, slice string); /* with quotes and escapes */
void buffer_integer(struct buffer *buffer, int64_t number);
void buffer_number(struct buffer *buffer, double number); /* a finite one, with all its digits */

#endif
