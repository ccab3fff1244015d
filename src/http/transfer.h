/* A transfer is one HTTP exchange: it sends one request and receives at most one answer,
 * within limits on body, headers and time.
 *
 * Owns: copies of the request's headers, the answer's bytes (all wiped when freed), and
 * one easy handle while in flight. The caller keeps the bytes of the request's body until
 * the transfer has finished or is freed.
 * Does not know: Lua, JSON, and further attempts. A request is executed at most once: if
 * libcurl would send it again, the transfer is aborted with code "connection_lost". The
 * caller that started a transfer frees it; freeing cancels a transfer in flight. */
#ifndef GRID_HTTP_TRANSFER_H
#define GRID_HTTP_TRANSFER_H

#include "http/engine.h"
#include "http/exchange.h"
#include "http/headers.h"

typedef struct grid_transfer grid_transfer;

typedef enum grid_sent {
    GRID_SENT_NO,      /* not executed */
    GRID_SENT_UNKNOWN, /* sending has started, and no answer was received */
    GRID_SENT_YES      /* an answer was received, complete or not */
} grid_sent;

/* Fails with kind "request": "bad_header", "out_of_memory", "not_started",
 * "no_descriptor", "forked" (the engine belongs to another process). */
grid_transfer *grid_transfer_start(grid_engine *engine, const grid_exchange *exchange, grid_error *err);
void grid_transfer_free(grid_transfer *transfer);

/* Removes the oldest transfer from the engine's queue of finished transfers; NULL: none.
 * Borrowed. */
grid_transfer *grid_transfer_take_finished(grid_engine *engine);

bool grid_transfer_is_finished(const grid_transfer *transfer);

/* The state of the exchange so far. */
grid_sent grid_transfer_sent(const grid_transfer *transfer);

/* The following functions require a finished transfer; slices are borrowed from it. */

/* True: a complete answer was received. */
bool grid_transfer_succeeded(const grid_transfer *transfer, grid_error *err);
const grid_headers *grid_transfer_headers(const grid_transfer *transfer);

/* The received bytes of the body, also after a failure. */
grid_slice grid_transfer_body(const grid_transfer *transfer);
grid_timing grid_transfer_timing(const grid_transfer *transfer);
long grid_transfer_retry_after(const grid_transfer *transfer); /* see retry_after.h */

#endif
