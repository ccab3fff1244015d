/* The driver moves libcurl multi handles on, one in each lane, without ever blocking in a step.
 *
 * Owns: the waiting: one epoll descriptor, its bell, and the timer that each multi handle asks
 * for (driver_epoll.c), or, where there is no epoll, curl_multi_poll (driver_portable.c, chosen by
 * GRID_NO_EPOLL).
 * Refuses to know: transfers, and what becomes of finished ones.
 * The engine makes it, and frees it after the multi handles: libcurl still reports sockets while it cleans up. */
#ifndef GRID_HTTP_DRIVER_H
#define GRID_HTTP_DRIVER_H

#include "base/error.h"
#include "http/connections.h"

#include <curl/curl.h>

typedef struct grid_driver grid_driver;

enum { GRID_LANES = 2 };

/* In one step, from all connections, and one TLS record more from each that is ready. */
#define GRID_READ_SECONDS 0.01

/* `connections` are told which sockets libcurl opens and closes. */
grid_driver *grid_driver_new(grid_connections *connections, grid_error *err);
void grid_driver_free(grid_driver *driver);

/* Once for each lane. */
void grid_driver_set_multi(grid_driver *driver, int lane, CURLM *multi);

/* Before a transfer is added: the driver opens and closes its sockets. */
void grid_driver_attach(grid_driver *driver, CURL *easy);

/* Before a request goes out on a connection: GRID_READ_SECONDS hold for it. */
void grid_driver_limit_reads(grid_driver *driver, CURL *easy);

/* A transfer was added to that lane: it starts, and the descriptor is not polled. `open` is the number of transfers there whose end
 * was not collected: if one of them has ended already, a step is due. */
void grid_driver_begin(grid_driver *driver, int lane, size_t open);

/* Does what is ready, or the first part of much, and what is due. True: there may be more that is ready. */
bool grid_driver_step(grid_driver *driver);

/* Something is ready now. */
bool grid_driver_is_ready(grid_driver *driver);

/* How often libcurl has been entered to move transfers on. */
unsigned grid_driver_entry(const grid_driver *driver);

/* Sleeps until something is ready or due, `seconds` at most; a signal ends the sleep early. */
void grid_driver_wait(grid_driver *driver, double seconds);

/* Seconds until a step is due even if the descriptor stays silent; negative: none. */
double grid_driver_timeout(const grid_driver *driver);

/* Readable when a step has work to do, or the bell rings; -1 where there is no such descriptor. */
int grid_driver_fd(const grid_driver *driver);

/* The bell keeps the descriptor readable, whatever is stepped meanwhile: whoever waits for it in an event loop looks again. Steps
 * and waits take no notice of it. */
void grid_driver_ring(grid_driver *driver);
void grid_driver_silence(grid_driver *driver);

#endif
