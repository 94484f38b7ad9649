#include "arena.h"

#include <stdint.h>
#include <stdlib.h>

enum { SMALLEST_CHUNK = 1024 /* bytes */ };

struct arena_chunk {
    struct arena_chunk *older;
    size_t used, size; /* bytes of `data` */
    max_align_t data[];
};

void *arena_take(struct arena *arena, size_t count, size_t size) {
    const size_t unit = sizeof(max_align_t);
    if (size != 0 && count > (SIZE_MAX / 2 - sizeof(struct arena_chunk)) / size) {
        arena->failed = true;
        return NULL;
    }
    /* Whole units, so that whatever comes next is aligned. */
    size_t needed = (count * size + unit - 1) / unit * unit;
    struct arena_chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->size - chunk->used < needed) {
        size_t room = needed > SMALLEST_CHUNK ? needed : SMALLEST_CHUNK;
        chunk = calloc(1, sizeof(struct arena_chunk) + room);
        if (chunk == NULL) {
            arena->failed = true;
            return NULL;
        }
        chunk->size = room;
        chunk->older = arena->chunks;
        arena->chunks = chunk;
    }
    char *start = (char *)chunk->data + chunk->used;
    chunk->used += needed;
    return start;
}

void arena_free(struct arena *arena) {
    while (arena->chunks != NULL) {
        struct arena_chunk *older = arena->chunks->older;
        free(arena->chunks);
        arena->chunks = older;
    }
}
