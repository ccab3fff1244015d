/* The engine is a step machine over one libcurl multi handle: connections are reused
 * and shared by all its transfers.
 *
 * Owns: the multi handle, its driver, and the queue of finished transfers.
 * Refuses to know: Lua, JSON, retries, and who is waiting. It starts no thread and
 * `step` never blocks.
 * Reference-counted: every holder and every transfer in flight has one reference, so
 * the order in which they go cannot matter.
 *
 * An engine belongs to the process that made it. In a child of that process it is
 * inert, since the sockets and the epoll descriptor are the parent's too: a step and
 * a wait return at once, nothing is in flight, and nothing finishes. The child lets
 * go of it and makes its own. */
#ifndef GRID_HTTP_ENGINE_H
#define GRID_HTTP_ENGINE_H

#include "base/error.h"
#include "base/slice.h"

#include <stddef.h>

typedef struct grid_engine grid_engine;
typedef struct grid_transfer grid_transfer;

/* One reference for the caller; NULL on failure. *home, if given, points to the engine as long as it lives, and becomes NULL
 * when it dies: a weak reference. grid_engine_leave_home ends that when the home goes first. */
grid_engine *grid_engine_new(grid_engine **home, grid_error *err);
void grid_engine_leave_home(grid_engine *engine);
grid_engine *grid_engine_ref(grid_engine *engine);
void grid_engine_unref(grid_engine *engine);

/* False in a child of the process that made it. */
bool grid_engine_is_ours(const grid_engine *engine);

/* Does what is ready and what is due, and never blocks. */
void grid_engine_step(grid_engine *engine);

/* Sleeps until a step is worth while, `seconds` at most. The only call here that blocks. */
void grid_engine_wait(grid_engine *engine, double seconds);

/* Seconds until a step is due even if the descriptor stays silent; negative: none is. */
double grid_engine_timeout(const grid_engine *engine);

/* Readable when a step has work to do or the bell rings, for any event loop; -1 where the platform has none. */
int grid_engine_fd(const grid_engine *engine);

/* Something has changed for one of those who wait for the descriptor in an event loop: it stays readable until they know. */
void grid_engine_ring(grid_engine *engine);
void grid_engine_silence(grid_engine *engine);

size_t grid_engine_in_flight(const grid_engine *engine);

/* A transfer that has finished and was not taken yet, oldest first, or NULL. Borrowed: it belongs to whoever started it. */
grid_transfer *grid_engine_take_finished(grid_engine *engine);

#endif
