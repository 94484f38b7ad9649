/* Memory that is taken piece by piece and given back all at once: what one call needs, or one record. */
#ifndef HELLO_ARENA_H
#define HELLO_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena {
    struct arena_chunk *chunks; /* the newest first */
    bool failed;                /* whether memory has run out */
};

/* An arena is empty when it is all zero. */

/* `count` items of `size` bytes, all zero; NULL when memory has run out. Of 0 items it is a valid pointer too. */
void *arena_take(struct arena *arena, size_t count, size_t size);

/* Gives everything back. */
void arena_free(struct arena *arena);

#endif
