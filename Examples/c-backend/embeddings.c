#define _POSIX_C_SOURCE 200809L

#include "embeddings.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

/* What passes between the thread that waits and the thread of the server that brings the vectors. */
struct delivery {
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    bool done;

    size_t count, dimensions; /* what was asked for */
    struct arena *arena;      /* of the waiting thread, which leaves it alone until `done` */
    const float **vectors;
    struct problem *problem;
    bool good;
};

static bool check_vector(const float *vector, size_t dimensions, struct problem *problem) {
    bool zero = true;
    for (size_t i = 0; i < dimensions; i++) {
        if (!isfinite(vector[i]))
            return refuse(problem, MEMORY_BACKEND_EMBEDDING_FAILED, "the embeddings hold a value that is not finite", (slice){0});
        zero = zero && vector[i] == 0;
    }
    return !zero || refuse(problem, MEMORY_BACKEND_EMBEDDING_FAILED, "the embeddings hold a vector of zeros", (slice){0});
}

/* Nothing that arrives is valid after the callback: copies it. */
static bool accept(struct delivery *delivery, memory_backend_status status, const float *matrix, size_t rows, size_t columns, slice message) {
    struct problem *problem = delivery->problem;
    if (status != MEMORY_BACKEND_OK) {
        char *copy = arena_take(delivery->arena, message.size, 1);
        if (copy == NULL) return refuse_memory(problem);
        if (message.size > 0) memcpy(copy, message.data, message.size);
        return refuse(problem, status, "", (slice){copy, message.size});
    }
    if (rows != delivery->count)
        return refuse(problem, MEMORY_BACKEND_EMBEDDING_FAILED, "the embeddings are not one vector for each text", (slice){0});
    if (columns != delivery->dimensions)
        return refuse(problem, MEMORY_BACKEND_EMBEDDING_FAILED, "the embeddings have another length than the settings say", (slice){0});
    for (size_t row = 0; row < rows; row++) {
        if (!check_vector(matrix + row * columns, columns, problem)) return false;
    }
    float *copy = arena_take(delivery->arena, rows * columns, sizeof *copy);
    if (copy == NULL) return refuse_memory(problem);
    memcpy(copy, matrix, rows * columns * sizeof *copy);
    *delivery->vectors = copy;
    return true;
}

static void embedded(void *context, memory_backend_status status, const float *matrix, size_t rows, size_t columns, slice message) {
    struct delivery *delivery = context;
    pthread_mutex_lock(&delivery->lock);
    delivery->good = accept(delivery, status, matrix, rows, columns, message);
    delivery->done = true;
    pthread_cond_signal(&delivery->arrived);
    /* From here on the waiting thread may end the delivery. */
    pthread_mutex_unlock(&delivery->lock);
}

bool embed(const memory_backend_host *host, uint64_t call, const slice *texts, size_t count, size_t dimensions, struct arena *arena,
           const float **vectors, struct problem *problem) {
    *vectors = NULL;
    if (count == 0) return true;
    struct delivery delivery = {.count = count, .dimensions = dimensions, .arena = arena, .vectors = vectors, .problem = problem};
    if (pthread_mutex_init(&delivery.lock, NULL) != 0) return refuse_memory(problem);
    if (pthread_cond_init(&delivery.arrived, NULL) != 0) {
        pthread_mutex_destroy(&delivery.lock);
        return refuse_memory(problem);
    }
    host->embed(host->context, call, texts, count, embedded, &delivery);
    /* Without a deadline of its own: the server answers in any case, with an error when its time has passed or the call is cancelled. */
    pthread_mutex_lock(&delivery.lock);
    while (!delivery.done) pthread_cond_wait(&delivery.arrived, &delivery.lock);
    pthread_mutex_unlock(&delivery.lock);
    pthread_cond_destroy(&delivery.arrived);
    pthread_mutex_destroy(&delivery.lock);
    return delivery.good;
}

bool metric_named(slice name, enum metric *metric) {
    static const slice names[] = {{"COSINE", 6}, {"L2", 2}, {"IP", 2}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        *metric = (enum metric)i;
        if (slices_equal(name, names[i])) return true;
    }
    return false;
}

double sum_of_squares(const float *vector, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)vector[i] * vector[i];
    return sum;
}

double distance(enum metric metric, const float *a, double a_squares, const float *b, double b_squares, size_t count) {
    double sum = 0;
    if (metric == L2) {
        for (size_t i = 0; i < count; i++) {
            double difference = (double)a[i] - b[i];
            sum += difference * difference;
        }
        return sum;
    }
    for (size_t i = 0; i < count; i++) sum += (double)a[i] * b[i];
    return metric == COSINE ? 1 - sum / (sqrt(a_squares) * sqrt(b_squares)) : 1 - sum;
}
