// Sends prepared requests over plain blocking sockets, one thread a connection, and measures the answers.
//
//     client http|redis|postgres HOST PORT REQUESTS CONNECTIONS SECONDS [PREAMBLE]
//
// SECONDS 0 sends every request once; otherwise the requests are repeated until the time is over. It prints the rate
// (requests a second), the median and the 99th percentile of the latency (milliseconds), and how many requests were
// answered and how many with an error.
//
// A request is one or several steps: bytes to write, and the number of answers to read before the next step. The file
// holds, in little-endian 32-bit numbers: the requests; of each its steps; of each step the answers, the length, the
// bytes. PREAMBLE is such a file, which every connection sends once before the clock starts (a login, say).
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    uint32_t answers, length;
    const char *bytes;
} Step;
typedef struct {
    uint32_t count;
    Step *steps;
} Request;
typedef struct {
    uint32_t count;
    Request *requests;
} Requests;

typedef struct {
    int socket;
    char *buffer;
    size_t capacity, start, end;
    bool failed; // an answer of the request under way was an error
} Connection;

// Takes as much as there is of the answers that are due; returns how many bytes, 0 if more must come first.
typedef size_t Parser(const char *bytes, size_t length, uint64_t *due, bool *failed);

static void die(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static size_t parse_http(const char *bytes, size_t length, uint64_t *due, bool *failed) {
    const char *end = memmem(bytes, length, "\r\n\r\n", 4);
    if (!end) return 0;
    const char *body = end + 4;
    size_t content = 0;
    for (const char *line = bytes; line < end; line = (const char *)memmem(line, (size_t)(body - line), "\r\n", 2) + 2)
        if (!strncasecmp(line, "content-length:", 15)) content = strtoul(line + 15, NULL, 10);
    if ((size_t)(body - bytes) + content > length) return 0;
    if (length < 12 || bytes[9] != '2') *failed = true;
    *due -= 1;
    return (size_t)(body - bytes) + content;
}

// One value of RESP2; an array makes its elements due as well.
static size_t parse_redis(const char *bytes, size_t length, uint64_t *due, bool *failed) {
    const char *end = memchr(bytes, '\n', length);
    if (!end) return 0;
    size_t used = (size_t)(end - bytes) + 1;
    long number = strtol(bytes + 1, NULL, 10);
    if (bytes[0] == '$' && number >= 0) {
        used += (size_t)number + 2;
        if (used > length) return 0;
    }
    if (bytes[0] == '*' && number > 0) *due += (uint64_t)number;
    if (bytes[0] == '-') *failed = true;
    *due -= 1;
    return used;
}

// One message; ReadyForQuery ends an answer.
static size_t parse_postgres(const char *bytes, size_t length, uint64_t *due, bool *failed) {
    if (length < 5) return 0;
    uint32_t size;
    memcpy(&size, bytes + 1, 4);
    size_t used = 1 + (size_t)ntohl(size);
    if (used > length) return 0;
    if (bytes[0] == 'E') *failed = true;
    if (bytes[0] == 'Z') *due -= 1;
    return used;
}

static Requests load(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) die(path);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *at = malloc(size + 1);
    if (!at || fread(at, 1, size, file) != size) die(path);
    fclose(file);
#define NUMBER(into) (memcpy(&(into), at, 4), at += 4)
    Requests all;
    NUMBER(all.count);
    all.requests = calloc(all.count, sizeof(Request));
    for (uint32_t i = 0; i < all.count; i++) {
        Request *request = &all.requests[i];
        NUMBER(request->count);
        request->steps = calloc(request->count, sizeof(Step));
        for (uint32_t j = 0; j < request->count; j++) {
            Step *step = &request->steps[j];
            NUMBER(step->answers);
            NUMBER(step->length);
            step->bytes = at;
            at += step->length;
        }
    }
    return all;
}

static Parser *parser;
static const char *host, *port;
static Requests requests, preamble;
static double seconds, started;
static atomic_uint next;
static pthread_barrier_t ready;

typedef struct {
    pthread_t thread;
    unsigned first;
    double *latencies;
    size_t count, capacity, errors;
} Worker;

static void open_connection(Connection *connection) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(host, port, &hints, &found)) die("getaddrinfo");
    connection->socket = socket(found->ai_family, SOCK_STREAM, 0);
    if (connect(connection->socket, found->ai_addr, found->ai_addrlen)) die("connect");
    freeaddrinfo(found);
    int one = 1;
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connection->capacity = 1 << 18;
    connection->buffer = malloc(connection->capacity);
    connection->start = connection->end = 0;
}

static void perform(Connection *connection, const Request *request) {
    connection->failed = false;
    for (uint32_t i = 0; i < request->count; i++) {
        const Step *step = &request->steps[i];
        for (size_t sent = 0; sent < step->length;) {
            ssize_t n = send(connection->socket, step->bytes + sent, step->length - sent, MSG_NOSIGNAL);
            if (n <= 0) die("send");
            sent += (size_t)n;
        }
        uint64_t due = step->answers;
        while (due) {
            size_t have = connection->end - connection->start;
            char *at = connection->buffer + connection->start;
            size_t used = have ? parser(at, have, &due, &connection->failed) : 0;
            connection->start += used;
            if (used) continue;
            memmove(connection->buffer, at, have);
            connection->start = 0;
            connection->end = have;
            if (have == connection->capacity) {
                connection->buffer = realloc(connection->buffer, connection->capacity *= 2);
                if (!connection->buffer) die("realloc");
            }
            ssize_t n = recv(connection->socket, connection->buffer + have, connection->capacity - have, 0);
            if (n <= 0) die("recv");
            connection->end += (size_t)n;
        }
    }
}

static void *work(void *argument) {
    Worker *worker = argument;
    Connection connection = {0};
    open_connection(&connection);
    for (uint32_t i = 0; i < preamble.count; i++) {
        perform(&connection, &preamble.requests[i]);
        if (connection.failed) fprintf(stderr, "error: the preamble was refused\n"), exit(1);
    }
    pthread_barrier_wait(&ready); // the clock starts in between
    pthread_barrier_wait(&ready);
    for (unsigned turn = worker->first;; turn++) {
        unsigned index = turn % requests.count;
        double before = now();
        if (seconds == 0 && (index = atomic_fetch_add(&next, 1)) >= requests.count) break;
        if (seconds > 0 && before - started >= seconds) break;
        perform(&connection, &requests.requests[index]);
        if (worker->count == worker->capacity) {
            worker->capacity = worker->capacity ? worker->capacity * 2 : 1024;
            worker->latencies = realloc(worker->latencies, worker->capacity * sizeof(double));
            if (!worker->latencies) die("realloc");
        }
        worker->latencies[worker->count++] = now() - before;
        worker->errors += connection.failed;
    }
    close(connection.socket);
    return NULL;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int count, char **arguments) {
    if (count < 7) {
        fprintf(stderr, "usage: client http|redis|postgres HOST PORT REQUESTS CONNECTIONS SECONDS [PREAMBLE]\n");
        return 2;
    }
    parser = arguments[1][0] == 'h' ? parse_http : arguments[1][0] == 'r' ? parse_redis : parse_postgres;
    host = arguments[2];
    port = arguments[3];
    requests = load(arguments[4]);
    unsigned connections = (unsigned)strtoul(arguments[5], NULL, 10);
    seconds = strtod(arguments[6], NULL);
    if (count > 7) preamble = load(arguments[7]);

    Worker *workers = calloc(connections, sizeof(Worker));
    pthread_barrier_init(&ready, NULL, connections + 1);
    for (unsigned i = 0; i < connections; i++) {
        workers[i].first = i * requests.count / connections;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) die("pthread_create");
    }
    pthread_barrier_wait(&ready);
    started = now();
    pthread_barrier_wait(&ready);
    size_t done = 0, errors = 0;
    for (unsigned i = 0; i < connections; i++) {
        pthread_join(workers[i].thread, NULL);
        done += workers[i].count;
        errors += workers[i].errors;
    }
    double elapsed = now() - started;
    double *all = malloc((done + 1) * sizeof(double));
    size_t filled = 0;
    for (unsigned i = 0; i < connections; i++) {
        if (workers[i].count) memcpy(all + filled, workers[i].latencies, workers[i].count * sizeof(double));
        filled += workers[i].count;
    }
    qsort(all, done, sizeof(double), ascending);
    printf("%.2f %.3f %.3f %zu %zu\n", (double)done / elapsed, done ? all[done / 2] * 1e3 : 0,
        done ? all[done * 99 / 100] * 1e3 : 0, done, errors);
    return 0;
}
