/* The lanes: a libcurl multi handle for the tasks that may share a connection by HTTP/2,
 * and one for those that use HTTP/1.1 and have a connection each. With an HTTP/1.1
 * connection beside those of HTTP/2 in one multi handle, libcurl would open a new
 * connection for every transfer instead of sharing one.
 *
 * Owns: the multi handles, the number of tasks in each, and the set of origins without
 * HTTP/2.
 * Does not know: deadlines and finished tasks. The driver and the table of connections
 * belong to the engine. */
#ifndef GRID_HTTP_LANES_H
#define GRID_HTTP_LANES_H

#include "http/driver.h"
#include "http/origins.h"
#include "http/task.h"

typedef struct grid_lanes {
    grid_driver *driver;
    const grid_connections *connections;
    CURLM *multis[GRID_LANES]; /* NULL: no task has been added to the lane */
    size_t counts[GRID_LANES];
    grid_origins origins; /* without HTTP/2 */
} grid_lanes;

void grid_lanes_init(grid_lanes *lanes, grid_driver *driver, const grid_connections *connections);

/* Frees the multi handles. Not to be called in a child of the process that made them. */
void grid_lanes_clear(grid_lanes *lanes);

/* Chooses the task's lane and adds the task there. */
CURLMcode grid_lanes_add(grid_lanes *lanes, grid_task *task);

/* Starts the task that was added to the lane, in the driver. */
void grid_lanes_begin(grid_lanes *lanes, int lane);

/* Removes the task from its multi handle. */
void grid_lanes_remove(grid_lanes *lanes, grid_task *task);

/* Removes the task and adds it again, to use another connection. */
bool grid_lanes_restart(grid_lanes *lanes, grid_task *task);

/* The next task that libcurl has ended, and its result; NULL: none. */
grid_task *grid_lanes_next_done(grid_lanes *lanes, CURLcode *code);

/* Records whether the origin of the task answers by HTTP/2. Running tasks for an origin
 * without HTTP/2 that are not sent yet move to the lane of HTTP/1.1. */
void grid_lanes_set_http2(grid_lanes *lanes, const grid_task *task, bool is_http2, const grid_task_list *running);

#endif
