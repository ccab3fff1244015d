/* A transfer is one HTTP exchange: one request out, at most one answer in, within
 * limits on body, headers and time.
 *
 * Owns: copies of the request's bytes, the answer's bytes (wiped when freed), and one
 * easy handle while in flight.
 * Does not know: Lua, JSON, and further tries. A request is executed at most once: what
 * libcurl would send again by itself is aborted, and reported as lost. The caller that
 * started a transfer frees it; to free one in flight cancels it. */
#ifndef GRID_HTTP_TRANSFER_H
#define GRID_HTTP_TRANSFER_H

#include "http/engine.h"
#include "http/exchange.h"
#include "http/headers.h"

typedef struct grid_transfer grid_transfer;

typedef enum grid_sent {
    GRID_SENT_NO,      /* certainly not executed */
    GRID_SENT_UNKNOWN, /* handed to libcurl, and no answer came */
    GRID_SENT_YES      /* an answer came, whole or not */
} grid_sent;

/* Fails with kind "request": "bad_header", "out_of_memory", "not_started",
 * "no_descriptor", "forked" (the engine is another process's). */
grid_transfer *grid_transfer_start(grid_engine *engine, const grid_exchange *exchange, grid_error *err);
void grid_transfer_free(grid_transfer *transfer);

/* The oldest finished transfer of the engine that was not taken yet, or NULL.
 * Borrowed. */
grid_transfer *grid_transfer_take_finished(grid_engine *engine);

bool grid_transfer_is_finished(const grid_transfer *transfer);

/* Has the request gone out so far, and has an answer come? */
grid_sent grid_transfer_sent(const grid_transfer *transfer);

/* The following are for finished transfers; slices are borrowed from the transfer. */

/* True: a whole answer came. */
bool grid_transfer_succeeded(const grid_transfer *transfer, grid_error *err);
const grid_headers *grid_transfer_headers(const grid_transfer *transfer);

/* The bytes that were received, after a failure too. */
grid_slice grid_transfer_body(const grid_transfer *transfer);
grid_timing grid_transfer_timing(const grid_transfer *transfer);
long grid_transfer_retry_after(const grid_transfer *transfer); /* see retry_after.h */

#endif
