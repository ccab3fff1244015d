/* What the engine and its transfers tell each other; nobody else includes this. */
#ifndef GRID_HTTP_ENGINE_INTERNAL_H
#define GRID_HTTP_ENGINE_INTERNAL_H

#include "http/connections.h"
#include "http/engine.h"
#include "http/stream.h"
#include "http/url.h"

#include <curl/curl.h>

/* See grid_connections_take. */
bool grid_engine_take_connection(grid_engine *engine, CURL *easy, int local_port, int remote_port, grid_lease *lease);
void grid_engine_release_connection(grid_engine *engine, grid_lease *lease);

/* See grid_connections_hear and grid_connections_end_silent. */
void grid_engine_hear(grid_engine *engine, const grid_lease *lease);
void grid_engine_end_silent(grid_engine *engine, const grid_lease *lease, double since);

/* A GOAWAY on that connection named that last stream. */
void grid_engine_refuse_streams(grid_engine *engine, unsigned connection, long last);

/* Streams have been refused: their transfers end after this step, whatever libcurl would do. */
void grid_engine_end_refused(grid_engine *engine);

/* How often libcurl has been entered to move transfers on. */
unsigned grid_engine_entry(const grid_engine *engine);

/* That URL, with a reference for the caller; NULL: out of memory. The engine keeps the last one: most calls go to the same. */
grid_url *grid_engine_url(grid_engine *engine, const char *text);

/* What the engine notes of each transfer. */
typedef struct grid_member {
    grid_transfer *next;  /* among those in flight, then among those that have finished */
    grid_transfer **back; /* what points here; NULL: in neither list */
    uint64_t origin;      /* of its URL */
    int lane;             /* of its multi handle */
    double started;       /* on grid_clock_now */
    double deadline;
} grid_member;

grid_member *grid_transfer_member(grid_transfer *transfer);

/* The easy handle's CURLOPT_PRIVATE must be the transfer. With `may_share` it may use HTTP/2. Refs the engine while the transfer is
 * in flight, for `timeout` seconds at most. */
bool grid_engine_launch(grid_engine *engine, grid_transfer *transfer, CURL *easy, bool may_share, double timeout, grid_error *err);

/* The peer has answered the transfer by HTTP/2, or by another version. */
void grid_engine_learn(grid_engine *engine, const grid_transfer *transfer, bool is_http2);

/* Amid a step: is the time up that far, and the step a long one? */
bool grid_engine_is_overdue(const grid_engine *engine, double deadline);

/* Out of the multi handle, finished or not; drops the reference that launch took. */
void grid_engine_withdraw(grid_engine *engine, grid_transfer *transfer, CURL *easy);

/* The same of one that is given up: others may have waited for its connection. */
void grid_engine_cancel(grid_engine *engine, grid_transfer *transfer, CURL *easy);

/* transfer.c: no request went out, since the connection was unfit: the engine starts the transfer again. At most once true for each
 * time that libcurl is done with it. */
bool grid_transfer_takes_another_connection(grid_transfer *transfer);

/* transfer.c: the easy handle while the request has not begun to leave; else NULL. */
CURL *grid_transfer_unsent(const grid_transfer *transfer);

/* transfer.c */
grid_stream *grid_transfer_stream(grid_transfer *transfer);

/* transfer.c: called by the engine when libcurl is done with it, or its time is up. */
void grid_transfer_on_finish(grid_transfer *transfer, CURLcode code);

/* A transfer that is freed leaves the engine's lists. */
void grid_engine_forget(grid_engine *engine, grid_transfer *transfer);

#endif
