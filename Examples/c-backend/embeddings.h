/* Vectors: asking the server for them, and how far apart they are. */
#ifndef HELLO_EMBEDDINGS_H
#define HELLO_EMBEDDINGS_H

#include "json.h"
#include "problem.h"

/*
 * Asks the server for the vectors of `count` texts and waits for them; the call's clock stands still meanwhile. `*vectors` becomes a matrix
 * of `count` times `dimensions` float32 values, row after row, in the arena. Without texts nothing is requested.
 *
 * Every vector has been checked (rule R7): the right length, finite values, not all of them zero.
 */
bool embed(const memory_backend_host *host, uint64_t call, const slice *texts, size_t count, size_t dimensions, struct arena *arena,
           const float **vectors, struct problem *problem);

enum metric { COSINE, L2, INNER_PRODUCT };

/* The name as the settings spell it. */
bool metric_named(slice name, enum metric *metric);

/* Of vectors of `count` values. `squares` are the sums of the squares of the values of each, which only the cosine needs. */
double distance(enum metric metric, const float *a, double a_squares, const float *b, double b_squares, size_t count);

double sum_of_squares(const float *vector, size_t count);

#endif
