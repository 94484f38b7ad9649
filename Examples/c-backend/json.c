#include "json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool slices_equal(slice a, slice b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

int slices_compare(slice a, slice b) {
    size_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

bool slice_begins_with(slice text, slice prefix) {
    return text.size >= prefix.size && (prefix.size == 0 || memcmp(text.data, prefix.data, prefix.size) == 0);
}

/* MARK: Reading */

static const char *skip_space(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) at++;
    return at;
}

/* Where the string that begins at `at` ends; NULL if it does not. */
static const char *skip_string(const char *at, const char *end) {
    for (at++; at < end; at++) {
        if (*at == '"') return at + 1;
        if (*at == '\\') at++;
    }
    return NULL;
}

/* Where the value that begins at `at` ends; NULL if there is none. */
static const char *skip_value(const char *at, const char *end) {
    if (at == end) return NULL;
    if (*at == '"') return skip_string(at, end);
    if (*at == '{' || *at == '[') {
        /* Counted, not recursive, so that no text can exhaust the stack. */
        size_t depth = 0;
        while (at < end) {
            char c = *at;
            if (c == '"') {
                at = skip_string(at, end);
                if (at == NULL) return NULL;
                continue;
            }
            at++;
            if (c == '{' || c == '[') depth++;
            if ((c == '}' || c == ']') && --depth == 0) return at;
        }
        return NULL;
    }
    const char *start = at;
    while (at < end && ((*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') || *at == 'E' || *at == '+' || *at == '-' || *at == '.')) at++;
    return at == start ? NULL : at;
}

bool json_open(struct json_cursor *cursor, slice value, char open) {
    *cursor = (struct json_cursor){.at = value.data, .end = value.data, .close = open == '{' ? '}' : ']', .bad = true};
    if (value.size == 0) return false;
    cursor->end += value.size;
    cursor->at = skip_space(cursor->at, cursor->end);
    cursor->bad = cursor->at == cursor->end || *cursor->at != open;
    if (!cursor->bad) cursor->at++;
    return !cursor->bad;
}

/* Goes to where the next member or element begins; false at the end. */
static bool json_advance(struct json_cursor *cursor) {
    if (cursor->bad) return false;
    cursor->at = skip_space(cursor->at, cursor->end);
    if (cursor->at < cursor->end && *cursor->at == cursor->close) return false;
    if (cursor->started) {
        cursor->bad = cursor->at == cursor->end || *cursor->at != ',';
        if (cursor->bad) return false;
        cursor->at = skip_space(cursor->at + 1, cursor->end);
    }
    cursor->started = true;
    return true;
}

static bool json_take_value(struct json_cursor *cursor, slice *value) {
    const char *end = skip_value(cursor->at, cursor->end);
    cursor->bad = end == NULL;
    if (cursor->bad) return false;
    *value = (slice){cursor->at, (size_t)(end - cursor->at)};
    cursor->at = end;
    return true;
}

bool json_next_element(struct json_cursor *cursor, slice *value) {
    return json_advance(cursor) && json_take_value(cursor, value);
}

bool json_next_member(struct json_cursor *cursor, slice *name, slice *value) {
    if (!json_advance(cursor) || !json_take_value(cursor, name)) return false;
    cursor->at = skip_space(cursor->at, cursor->end);
    cursor->bad = name->size < 2 || *name->data != '"' || cursor->at == cursor->end || *cursor->at != ':';
    if (cursor->bad) return false;
    *name = (slice){name->data + 1, name->size - 2};
    cursor->at = skip_space(cursor->at + 1, cursor->end);
    return json_take_value(cursor, value);
}

slice json_member(slice object, const char *name) {
    struct json_cursor cursor;
    slice found = {0}, key, value;
    json_open(&cursor, object, '{');
    while (json_next_member(&cursor, &key, &value)) {
        if (slices_equal(key, (slice){name, strlen(name)})) found = value;
    }
    return found;
}

size_t json_length(slice array) {
    struct json_cursor cursor;
    slice value;
    size_t length = 0;
    json_open(&cursor, array, '[');
    while (json_next_element(&cursor, &value)) length++;
    return length;
}

bool json_is_null(slice value) {
    return slices_equal(value, SLICE("null"));
}

/* Four hexadecimal digits as a number; -1 if they are not. */
static long hexadecimal(const char *at, const char *end) {
    long number = 0;
    if (end - at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) return -1;
        number = number * 16 + digit;
    }
    return number;
}

static char *write_utf8(char *to, long point) {
    if (point < 0x80) {
        *to++ = (char)point;
    } else if (point < 0x800) {
        *to++ = (char)(0xC0 | point >> 6);
        *to++ = (char)(0x80 | (point & 0x3F));
    } else if (point < 0x10000) {
        *to++ = (char)(0xE0 | point >> 12);
        *to++ = (char)(0x80 | (point >> 6 & 0x3F));
        *to++ = (char)(0x80 | (point & 0x3F));
    } else {
        *to++ = (char)(0xF0 | point >> 18);
        *to++ = (char)(0x80 | (point >> 12 & 0x3F));
        *to++ = (char)(0x80 | (point >> 6 & 0x3F));
        *to++ = (char)(0x80 | (point & 0x3F));
    }
    return to;
}

/* Undoes the escape after the backslash at `*at` and moves `*at` behind it; NULL if it is none. */
static char *write_escaped(char *to, const char **at, const char *end) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *next = *at + 1;
    if (next == end) return NULL;
    if (*next != 'u') {
        const char *letter = *next == '\0' ? NULL : strchr(letters, *next);
        if (letter == NULL) return NULL;
        *at = next + 1;
        *to++ = meanings[letter - letters];
        return to;
    }
    long point = hexadecimal(next + 1, end);
    if (point < 0) return NULL;
    next += 5;
    if (point >= 0xD800 && point < 0xE000) {
        /* Half of a pair. Alone it is no character, and UTF-8 cannot hold it. */
        long low = end - next >= 6 && next[0] == '\\' && next[1] == 'u' ? hexadecimal(next + 2, end) : -1;
        if (point < 0xDC00 && low >= 0xDC00 && low < 0xE000) {
            point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
            next += 6;
        } else {
            point = 0xFFFD;
        }
    }
    *at = next;
    return write_utf8(to, point);
}

bool json_string(struct arena *arena, slice value, slice *string) {
    if (value.size < 2 || value.data[0] != '"' || value.data[value.size - 1] != '"') return false;
    const char *at = value.data + 1, *end = value.data + value.size - 1;
    *string = (slice){at, (size_t)(end - at)};
    if (at == end || memchr(at, '\\', string->size) == NULL) return true;
    /* No escape is shorter than what it stands for. */
    char *start = arena_take(arena, string->size, 1), *to = start;
    if (start == NULL) return false;
    while (at < end) {
        if (*at != '\\') {
            *to++ = *at++;
        } else {
            to = write_escaped(to, &at, end);
            if (to == NULL) return false;
        }
    }
    *string = (slice){start, (size_t)(to - start)};
    return true;
}

bool json_integer(slice value, int64_t *number) {
    char *end;
    if (value.size == 0) return false;
    errno = 0;
    long long read = strtoll(value.data, &end, 10);
    *number = read;
    return errno == 0 && end == value.data + value.size;
}

bool json_number(slice value, double *number) {
    char *end;
    if (value.size == 0) return false;
    *number = strtod(value.data, &end);
    return end == value.data + value.size;
}

bool json_strings(struct arena *arena, slice array, struct strings *strings) {
    struct json_cursor cursor;
    slice value;
    *strings = (struct strings){.items = arena_take(arena, json_length(array), sizeof(slice))};
    if (strings->items == NULL) return false;
    json_open(&cursor, array, '[');
    while (json_next_element(&cursor, &value)) {
        if (!json_string(arena, value, &strings->items[strings->count])) return false;
        strings->count++;
    }
    return !cursor.bad;
}

/* MARK: Writing */

void buffer_reserve(struct buffer *buffer, size_t more) {
    if (buffer->failed || buffer->capacity - buffer->size >= more) return;
    size_t capacity = buffer->capacity * 2 > buffer->size + more ? buffer->capacity * 2 : buffer->size + more;
    char *data = realloc(buffer->data, capacity);
    buffer->failed = data == NULL;
    if (buffer->failed) return;
    buffer->data = data;
    buffer->capacity = capacity;
}

void buffer_add(struct buffer *buffer, slice text) {
    buffer_reserve(buffer, text.size);
    if (buffer->failed || text.size == 0) return;
    memcpy(buffer->data + buffer->size, text.data, text.size);
    buffer->size += text.size;
}

void buffer_string(struct buffer *buffer, slice string) {
    const char *end = string.data + string.size, *plain = string.data;
    buffer_add(buffer, SLICE("\""));
    for (const char *at = plain; at < end; at++) {
        unsigned char c = (unsigned char)*at;
        if (c != '"' && c != '\\' && c >= 0x20) continue;
        char escape[8];
        int size = c < 0x20 ? snprintf(escape, sizeof escape, "\\u%04x", c) : snprintf(escape, sizeof escape, "\\%c", c);
        buffer_add(buffer, (slice){plain, (size_t)(at - plain)});
        buffer_add(buffer, (slice){escape, (size_t)size});
        plain = at + 1;
    }
    buffer_add(buffer, (slice){plain, (size_t)(end - plain)});
    buffer_add(buffer, SLICE("\""));
}

void buffer_integer(struct buffer *buffer, int64_t number) {
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%" PRId64, number);
    buffer_add(buffer, (slice){digits, (size_t)size});
}

void buffer_number(struct buffer *buffer, double number) {
    char digits[32];
    /* 17 digits are enough for every double to come back as it was. */
    int size = snprintf(digits, sizeof digits, "%.17g", number);
    buffer_add(buffer, (slice){digits, (size_t)size});
}
