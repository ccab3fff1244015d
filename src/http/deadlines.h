/* When the deadlines of tasks are checked. The engine ends tasks at their deadlines, not
 * libcurl: libcurl checks its timeout before it reads, so an answer that is buffered
 * would be lost if the caller did not step for too long; and it checks no timeout while a
 * transfer waits for a connection that another transfer is opening (curl issue 6744).
 *
 * Owns: the time of the next check, and how often it was deferred.
 * Does not know: the tasks. */
#ifndef GRID_HTTP_DEADLINES_H
#define GRID_HTTP_DEADLINES_H

#include "http/driver.h"

typedef struct grid_deadlines {
    double next;   /* not later than the first deadline, on grid_clock_now; negative: none */
    int deferrals; /* of checks that are due */
} grid_deadlines;

void grid_deadlines_add(grid_deadlines *deadlines, double deadline);

/* Removes all deadlines; also the initial state. */
void grid_deadlines_clear(grid_deadlines *deadlines);

/* Seconds until the next check is due; 0: now; negative: there is no deadline. */
double grid_deadlines_until(const grid_deadlines *deadlines);

/* Called after each step of the driver. True: a deadline may have passed, and no input is
 * left that may be the end of an answer. `more`: the step has not served all sockets;
 * `has_answer`: the step has received a part of an answer. */
bool grid_deadlines_are_due(grid_deadlines *deadlines, grid_driver *driver, bool more, bool has_answer);

#endif
