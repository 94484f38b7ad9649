/* Why something could not be done: carried from where it is noticed to the answer of the call. */
#ifndef HELLO_PROBLEM_H
#define HELLO_PROBLEM_H

#include <stdbool.h>

#include "memory_backend.h"

struct problem {
    memory_backend_status status;
    const char *what;          /* a sentence for people, without stored texts; `which` is appended to it */
    memory_backend_text which; /* such as the name of a field; lives as long as the call */
};

/* Notes the problem and returns false, so that a function can end with `return refuse(...)`. */
static inline bool refuse(struct problem *problem, memory_backend_status status, const char *what, memory_backend_text which) {
    problem->status = status;
    problem->what = what;
    problem->which = which;
    return false;
}

/* A request that is not what memory_backend.schema.json says. */
static inline bool refuse_request(struct problem *problem, const char *what) {
    return refuse(problem, MEMORY_BACKEND_INTERNAL_ERROR, what, (memory_backend_text){0});
}

static inline bool refuse_memory(struct problem *problem) {
    return refuse(problem, MEMORY_BACKEND_STORE_UNAVAILABLE, "out of memory", (memory_backend_text){0});
}

#endif
