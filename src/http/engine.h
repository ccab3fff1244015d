/* The engine runs tasks over libcurl multi handles, whose connections are reused and
 * shared by all tasks.
 *
 * Owns: the lanes (multi handles), their driver, the table of connections, and the
 * queue of finished tasks.
 * Does not know: transfers, Lua, JSON, retries, and the waiters of a task. The engine
 * starts no thread, and grid_engine_step never blocks. Reference-counted: each holder and
 * each task in flight has one reference, so they can be freed in any order. */
#ifndef GRID_HTTP_ENGINE_H
#define GRID_HTTP_ENGINE_H

#include "base/error.h"

#include <stddef.h>

typedef struct grid_engine grid_engine;
typedef struct grid_task grid_task;

/* Returns one reference for the caller, or NULL on failure. `home` may be NULL; *home is
 * a weak reference: it is set to the engine, and to NULL when the engine is freed.
 * grid_engine_leave_home ends that; required before a home is freed that has an
 * engine. */
grid_engine *grid_engine_new(grid_engine **home, grid_error *err);
void grid_engine_leave_home(grid_engine *engine);
grid_engine *grid_engine_ref(grid_engine *engine);
void grid_engine_unref(grid_engine *engine);

/* False in a child of the process that made the engine. There the engine is inert, since
 * the sockets and the epoll descriptor are shared with the parent: a step and a wait
 * return immediately, no task is in flight, and none finishes. The child frees the engine
 * and creates its own. */
bool grid_engine_is_ours(const grid_engine *engine);

/* Serves ready sockets, due timers and passed deadlines. Never blocks. */
void grid_engine_step(grid_engine *engine);

/* Sleeps until a step has work to do, at most `seconds`. No other call of this file
 * blocks. */
void grid_engine_wait(grid_engine *engine, double seconds);

/* Seconds until the next step is due if the descriptor does not become readable;
 * negative: none is due. */
double grid_engine_timeout(const grid_engine *engine);

/* A descriptor for any event loop: readable when a step has work to do, and after
 * grid_engine_wake; -1 if the platform has none. */
int grid_engine_fd(const grid_engine *engine);

/* Makes the descriptor readable until grid_engine_clear_wakeup, independent of steps. For
 * a caller in an event loop that waits for an event other than a ready socket. Steps and
 * waits ignore wakeups. */
void grid_engine_wake(grid_engine *engine);
void grid_engine_clear_wakeup(grid_engine *engine);

size_t grid_engine_in_flight(const grid_engine *engine);

/* Removes the oldest task from the queue of finished tasks; NULL: none. Borrowed from the
 * owner of the task. */
grid_task *grid_engine_take_finished(grid_engine *engine);

#endif
