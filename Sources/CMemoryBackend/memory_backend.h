/*
 * memory_backend.h: the border between agent-memory and a memory backend in a shared library.
 *
 * A backend stores long-term memories and finds them again. It can be written in any language that
 * makes C functions. One setting names it:
 *
 *     MEMORY_VECTOR_DB_FACTORY=/opt/acme/libacme.so:create_acme_backend
 *
 * The server opens the library (dlopen, RTLD_NOW | RTLD_LOCAL), calls the function of that name once
 * (memory_backend_factory below), checks the table that it returns, and from then on calls the
 * functions of that table.
 *
 * The contract (Documentation/contract.md) defines the operations; `agent-memory backend check` runs
 * the contract's checks on the configured backend. memory_backend.schema.json next to this file
 * describes the JSON of every request and answer: for each operation there is a definition
 * "<operation>_request" and one "<operation>_answer".
 *
 * TEXT     All text is UTF-8. Texts have a length in bytes. One NUL byte, not counted in the length,
 *          follows each text from the server. Texts from the backend need no NUL. JSON numbers that
 *          are dates are whole microseconds since 1970-01-01T00:00:00Z, negative before; they need
 *          64 bits.
 *
 * MEMORY   What the server passes to a function is valid until that function returns; copy what you
 *          keep. What the backend passes to a function of the server is copied before that function
 *          returns. Memory is never freed on the other side. The host structure and its functions
 *          stay valid until the process ends; the table and what it points to must stay valid until
 *          `close` has returned.
 *
 * THREADS  Operations are called on separate threads of the server, several at the same time
 *          (MEMORY_VECTOR_DB_THREADS of them, default 8), and may block. The functions of the host
 *          may be called from any thread, at any time between the factory call and the return of
 *          `close`.
 *
 * ANSWERS  An operation gets a call number and is answered by calling `host->complete` with that
 *          number exactly once: before the operation returns, or later, from any thread. A second
 *          answer, a late one, and one that does not fit the schema cost a line in the server's
 *          log, never more.
 *
 * BYTES    Optional. A backend whose capabilities have "opaque_bytes": true is given bytes with each
 *          text that it stores ("opaque_bytes", Base64, at most 8,192 bytes) and returns them with the
 *          hits of a search that asks for them (rule S12). It never reads them: the server compares
 *          the tokens of texts by them. Without the capability the server leaves that out of its
 *          ranking, and no member "opaque_bytes" comes.
 *
 * TIME     `timeout_ms` is the time that the call has left. After that the server abandons the call
 *          (its client gets a 503) and calls `cancel`. Time that the server itself spends on
 *          embeddings for the call does not count.
 *
 * ERRORS   A call that fails is completed with another status than MEMORY_BACKEND_OK and the JSON
 *          {"message": "one sentence for readers", "detail": "for logs only", "path": ["field", 0]};
 *          only "message" is required. It is shown to clients: no secrets, no stored texts.
 *
 * VERSIONS All structures start with the same four numbers. New fields are only added at the end,
 *          and `size` grows; read a field of the host only if `host->size` covers it. A change of
 *          existing fields raises MEMORY_BACKEND_ABI_VERSION, and the server refuses backends of
 *          another version.
 *
 * SHUTDOWN The server stops accepting requests, waits for the running calls (those that do not end
 *          are cancelled, and abandoned after the server's time for shutting down), calls `close`
 *          once, and ends. The library is never unloaded.
 */
#ifndef MEMORY_BACKEND_H
#define MEMORY_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "MEMB" in ASCII. */
#define MEMORY_BACKEND_MAGIC 0x4D454D42u
#define MEMORY_BACKEND_ABI_VERSION 1u

/* How a call, or a request for embeddings, ended. */
typedef int32_t memory_backend_status;
enum {
    MEMORY_BACKEND_OK = 0,
    MEMORY_BACKEND_INVALID_INPUT = 1,     /* a value of the request is not acceptable; "path" names it */
    MEMORY_BACKEND_UNSUPPORTED = 2,       /* the backend does not have the capability */
    MEMORY_BACKEND_STORE_UNAVAILABLE = 3, /* the store cannot be reached, refuses the work, or is not ready yet */
    MEMORY_BACKEND_TIMED_OUT = 4,         /* a deadline passed */
    MEMORY_BACKEND_EMBEDDING_FAILED = 5,  /* the status of the server's embeddings, passed on */
    MEMORY_BACKEND_MISCONFIGURED = 6,     /* only from `prepare`: a setting is wrong or does not fit the stored data; the server stops */
    MEMORY_BACKEND_INTERNAL_ERROR = 7,    /* the backend broke one of its own rules */
    MEMORY_BACKEND_CANCELLED = 8          /* the call ended early because it was cancelled */
};

/* For host->log. */
typedef int32_t memory_backend_log_level;
enum {
    MEMORY_BACKEND_DEBUG = 0,
    MEMORY_BACKEND_INFO = 1,
    MEMORY_BACKEND_WARNING = 2,
    MEMORY_BACKEND_ERROR = 3
};

typedef struct memory_backend_text {
    const char *data;
    size_t size; /* bytes */
} memory_backend_text;

/*
 * Receives embeddings: `matrix` has `rows` vectors of `columns` float32 values, row after row, one for
 * each text in the order of the texts. With another status than MEMORY_BACKEND_OK the matrix is NULL
 * and `message` says why. Everything is valid until it returns.
 */
typedef void (*memory_backend_embedded)(void *context, memory_backend_status status, const float *matrix, size_t rows, size_t columns,
                                        memory_backend_text message);

/* What the server offers to the backend. */
typedef struct memory_backend_host {
    uint32_t magic;       /* MEMORY_BACKEND_MAGIC */
    uint32_t abi_version; /* MEMORY_BACKEND_ABI_VERSION */
    uint32_t size;        /* sizeof(memory_backend_host) of the server */
    uint32_t reserved;    /* 0 */

    /* The first argument of every function below. */
    void *context;

    /* JSON ("settings" in the schema): embedding model, dimensions, distance metric, time limits,
       scope. Valid until the process ends. */
    memory_backend_text settings;

    /* Answers the call of that number; see ANSWERS. */
    void (*complete)(void *context, uint64_t call, memory_backend_status status, memory_backend_text json);

    /*
     * Requests one vector for each of `count` texts. `call` is the call that needs them (0: none); its
     * clock stops meanwhile. `embedded` is called exactly once, with `receiver` as its first argument,
     * also if the call has ended meanwhile: from any thread, possibly from the caller's own before this
     * function returns. It must not block for long. Embed before you write: if the embeddings fail,
     * nothing may have been written.
     */
    void (*embed)(void *context, uint64_t call, const memory_backend_text *texts, size_t count, memory_backend_embedded embedded,
                  void *receiver);

    /* Writes a line to the server's log, with the backend's name. */
    void (*log)(void *context, memory_backend_log_level level, memory_backend_text message);

    /* Reports why the factory is about to return NULL. The server shows it and refuses to start. */
    void (*fail)(void *context, memory_backend_text message);

    /*
     * The memory hash of a record (rule R8): 64 lower-case hexadecimal digits and a NUL. `record` is a
     * JSON object; its members memory_type, namespace, session_id, text and user_id count, all others
     * are ignored. An update that changes one of the five must store a new hash. Returns 0, or -1 if
     * `record` is not such an object.
     */
    int32_t (*memory_hash)(void *context, memory_backend_text record, char hash[65]);
} memory_backend_host;

/* Starts an operation. `request` is the JSON of its request. */
typedef void (*memory_backend_operation)(void *self, uint64_t call, uint32_t timeout_ms, memory_backend_text request);

/* A backend: the result of the factory. Functions that are not marked optional are required. */
typedef struct memory_backend {
    uint32_t magic;       /* MEMORY_BACKEND_MAGIC */
    uint32_t abi_version; /* MEMORY_BACKEND_ABI_VERSION */
    uint32_t size;        /* sizeof(memory_backend) */
    uint32_t reserved;    /* 0 */

    /* The first argument of every function below. */
    void *self;

    /* JSON ("description" in the schema): name, version, capabilities. Called once, right after the
       factory; valid until `close`. */
    memory_backend_text (*describe)(void *self);

    /*
     * Optional. Connects, creates tables and indexes; request and answer are {}. Called at the start,
     * and again as long as it fails with any status except MEMORY_BACKEND_MISCONFIGURED, also when a
     * request comes first. No other operation is called before it has succeeded once.
     */
    memory_backend_operation prepare;

    memory_backend_operation add;    /* {"records": [...]} -> {"ids": [...]} */
    memory_backend_operation search; /* {"text", "ranking", "filter", "limit", "offset"} -> {"hits": [...], "total"} */
    memory_backend_operation list;   /* {"filter", "limit", "offset"} -> {"records": [...], "total"} */
    memory_backend_operation count;  /* {"filter"} -> {"count"} */
    memory_backend_operation remove; /* {"ids": [...]} -> {"deleted"} */
    memory_backend_operation update; /* {"updates": [...]} -> {"updated"} */

    /* Optional. The state of the store now, for GET /v1/ready: {} -> {"components": [...]}. */
    memory_backend_operation health;

    /* Optional. Removes everything in this instance's scope: {} -> {}. Called only if the settings
       name a scope. */
    memory_backend_operation drop;

    /* Optional. The server has abandoned this call: end it soon, and still complete it. May come when
       the call has just been completed. */
    void (*cancel)(void *self, uint64_t call);

    /*
     * Ends everything: no function of the host may be called after it has returned. Called once, on a
     * thread that may block for 5 s, after which the server ends without it. No other function is
     * called any more, but operations that have not returned may still be running, and requested
     * embeddings still arrive: wait for both.
     */
    void (*close)(void *self);
} memory_backend;

/*
 * The function that the setting names. May block. Returns the table, or NULL after a call of
 * host->fail. The server calls it once; `agent-memory backend check` calls it once for every check,
 * each time with another scope in the settings: data stored under one scope must not be visible in
 * another, and a new scope is empty.
 */
typedef const memory_backend *(*memory_backend_factory)(const memory_backend_host *host);

#ifdef __cplusplus
}
#endif

#endif
