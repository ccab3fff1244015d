/* A transfer is one HTTP exchange: one request out, at most one answer in, within hard limits on body, headers and time.
 *
 * Owns: copies of the request's bytes, the answer's bytes (wiped when freed), one easy handle while in flight.
 * Refuses to know: Lua, JSON, tries after the first. A request is executed at most once: what libcurl would like to repeat by
 * itself is refused, and reported as lost.
 * Whoever starts a transfer frees it; freeing one in flight cancels it. */
#ifndef GRID_HTTP_TRANSFER_H
#define GRID_HTTP_TRANSFER_H

#include "base/slice.h"
#include "http/engine.h"
#include "http/headers.h"

typedef struct grid_exchange {
    const char *method; /* "GET", "POST", … */
    const char *url;
    const grid_slice *headers; /* "Name: value" lines; each must pass grid_header_check */
    size_t header_count;
    const grid_slice *body; /* NULL: none */
    double timeout;         /* seconds, for the whole exchange */
    double connect_timeout; /* seconds, for name, connection and TLS together */
    size_t max_response_bytes;
    const char *ca_file;   /* NULL: the system's */
    const char *proxy;     /* NULL: as the environment says; "": none */
    bool http1_only;
    bool insecure_skip_tls_verify;
} grid_exchange;

typedef enum grid_sent {
    GRID_SENT_NO,      /* certainly not executed */
    GRID_SENT_UNKNOWN, /* handed over, and no answer came */
    GRID_SENT_YES      /* an answer came, whole or not */
} grid_sent;

typedef struct grid_timing {
    double total; /* seconds */
    double connect; /* seconds until connected, TLS included; 0 on a reused connection */
    bool reused;
    int http_version; /* 10, 11, 20; 0: no answer */
} grid_timing;

/* Fails with kind "request": "bad_header", "out_of_memory", "forked" (the engine is another process's). */
grid_transfer *grid_transfer_start(grid_engine *engine, const grid_exchange *exchange, grid_error *err);
void grid_transfer_free(grid_transfer *transfer);

bool grid_transfer_is_finished(const grid_transfer *transfer);

/* The following are for finished transfers; slices are borrowed from the transfer. */
bool grid_transfer_succeeded(const grid_transfer *transfer, grid_error *err); /* a whole answer came */
grid_sent grid_transfer_sent(const grid_transfer *transfer);
const grid_headers *grid_transfer_headers(const grid_transfer *transfer);
grid_slice grid_transfer_body(const grid_transfer *transfer); /* as much as came, even after a failure */
grid_timing grid_transfer_timing(const grid_transfer *transfer);
long grid_transfer_retry_after(const grid_transfer *transfer); /* see retry_after.h */

#endif
