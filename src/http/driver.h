/* The driver runs the libcurl multi handles, one in each lane. A step never blocks.
 *
 * Owns: the polling: one epoll descriptor, its wakeup, and the timer that each multi
 * handle asks for (driver_epoll.c); or curl_multi_poll where there is no epoll
 * (driver_portable.c, chosen by GRID_NO_EPOLL).
 * Does not know: tasks, and what becomes of finished ones. The engine frees the driver
 * after the multi handles: curl_multi_cleanup reports sockets. */
#ifndef GRID_HTTP_DRIVER_H
#define GRID_HTTP_DRIVER_H

#include "base/error.h"
#include "http/connections.h"

#include <curl/curl.h>

typedef struct grid_driver grid_driver;

enum { GRID_LANES = 2 };

/* The time of one step for reading, all connections together; one TLS record more is read
 * from each that is ready. */
#define GRID_READ_SECONDS 0.01

/* The driver enters in `connections` which sockets libcurl opens and closes. */
grid_driver *grid_driver_new(grid_connections *connections, grid_error *err);
void grid_driver_free(grid_driver *driver);

/* Once for each lane. */
void grid_driver_set_multi(grid_driver *driver, int lane, CURLM *multi);

/* Before a transfer is added: the driver opens and closes its sockets. */
void grid_driver_attach(grid_driver *driver, CURL *easy);

/* Before a request goes out on a connection: GRID_READ_SECONDS hold for it. */
void grid_driver_limit_reads(grid_driver *driver, CURL *easy);

/* Starts the transfer that was added to that lane, without polling. `open` is the
 * number of transfers there whose end was not collected: if one of them has ended, a
 * step is due. */
void grid_driver_begin(grid_driver *driver, int lane, size_t open);

/* Serves ready sockets, a limited number of them, and due timers. True: more sockets may
 * be ready. */
bool grid_driver_step(grid_driver *driver);

/* A socket is ready now. */
bool grid_driver_is_ready(grid_driver *driver);

/* The number of calls so far in which libcurl ran transfers. */
unsigned grid_driver_entry(const grid_driver *driver);

/* Sleeps until a socket is ready or a timer due, `seconds` at most; a signal ends the
 * sleep early. */
void grid_driver_wait(grid_driver *driver, double seconds);

/* Seconds until a step is due even if the descriptor does not become readable; negative:
 * none is due. */
double grid_driver_timeout(const grid_driver *driver);

/* Readable when a step has work to do, and while a wakeup is set; -1 where there is no
 * such descriptor. */
int grid_driver_fd(const grid_driver *driver);

/* A wakeup keeps the descriptor readable until it is cleared. Steps and waits ignore
 * it. */
void grid_driver_wake(grid_driver *driver);
void grid_driver_clear_wakeup(grid_driver *driver);

#endif
