/* The lanes: a libcurl multi handle for the tasks that may share a connection by HTTP/2,
 * and one for those that use HTTP/1.1 and have a connection each. If libcurl saw an
 * HTTP/1.1 connection beside those of HTTP/2, it would open a new connection for every
 * transfer instead of sharing one.
 *
 * Owns: the multi handles, how many tasks each has, and which origins lack HTTP/2.
 * Does not know: deadlines, and what becomes of finished tasks. The driver and the table
 * of connections are the engine's. */
#ifndef GRID_HTTP_LANES_H
#define GRID_HTTP_LANES_H

#include "http/driver.h"
#include "http/origins.h"
#include "http/task.h"

typedef struct grid_lanes {
    grid_driver *driver;
    const grid_connections *connections;
    CURLM *multis[GRID_LANES]; /* NULL: no task was added there */
    size_t counts[GRID_LANES];
    grid_origins origins; /* without HTTP/2 */
} grid_lanes;

void grid_lanes_init(grid_lanes *lanes, grid_driver *driver, const grid_connections *connections);

/* Frees the multi handles. Not to be called in a child of the process that made them. */
void grid_lanes_clear(grid_lanes *lanes);

/* Chooses the task's lane and adds the task there. */
CURLMcode grid_lanes_add(grid_lanes *lanes, grid_task *task);

/* Has the driver start what was added to that lane. */
void grid_lanes_begin(grid_lanes *lanes, int lane);

/* Out of its multi handle. */
void grid_lanes_remove(grid_lanes *lanes, grid_task *task);

/* Adds the task once more, to use another connection. */
bool grid_lanes_restart(grid_lanes *lanes, grid_task *task);

/* A task that libcurl is done with, and its result; NULL: none is left. */
grid_task *grid_lanes_next_done(grid_lanes *lanes, CURLcode *code);

/* The origin of that task has answered by HTTP/2, or by another version. Of the running
 * tasks, those for an origin without HTTP/2 that are not sent yet change lanes. */
void grid_lanes_learn(grid_lanes *lanes, const grid_task *task, bool is_http2, const grid_task_list *running);

#endif
