/* The driver runs the libcurl multi handles, one in each lane. A step never blocks.
 *
 * Owns: the polling: one epoll descriptor, its wakeup, and the timer of each multi handle
 * (driver_epoll.c); or calls of curl_multi_poll on platforms without epoll
 * (driver_portable.c, selected by GRID_NO_EPOLL).
 * Does not know: tasks. The engine frees the driver after the multi handles, since
 * curl_multi_cleanup reports closed sockets to the driver. */
#ifndef GRID_HTTP_DRIVER_H
#define GRID_HTTP_DRIVER_H

#include "base/error.h"
#include "http/connections.h"

#include <curl/curl.h>

typedef struct grid_driver grid_driver;

enum { GRID_LANES = 2 };

/* The time limit of one step for reading from all connections together. From each ready
 * connection one more TLS record is read. */
#define GRID_READ_SECONDS 0.01

/* The driver records in `connections` the sockets that libcurl opens and closes. */
grid_driver *grid_driver_new(grid_connections *connections, grid_error *err);
void grid_driver_free(grid_driver *driver);

/* Called once per lane. */
void grid_driver_set_multi(grid_driver *driver, int lane, CURLM *multi);

/* Called before a transfer is added: the driver opens and closes the transfer's
 * sockets. */
void grid_driver_attach(grid_driver *driver, CURL *easy);

/* Called before a request is sent on a connection: applies GRID_READ_SECONDS to the
 * connection. */
void grid_driver_limit_reads(grid_driver *driver, CURL *easy);

/* Starts the transfer that was added to the lane, without polling. `open` is the number
 * of transfers in the lane whose end has not been collected: if one of them has ended, a
 * step is due. */
void grid_driver_begin(grid_driver *driver, int lane, size_t open);

/* Serves due timers and a limited number of ready sockets. True: more sockets may be
 * ready. */
bool grid_driver_step(grid_driver *driver);

/* Runs the transfers of a connection as if it had input. If one of them reads frames that
 * end the HTTP/2 session, libcurl (7.88, 8.14 to 8.22) does not run all others, and the
 * socket need not become ready again. */
void grid_driver_read(grid_driver *driver, int lane, curl_socket_t fd);

/* The same when the call into libcurl that is running has returned. */
void grid_driver_read_again(grid_driver *driver, curl_socket_t fd);

/* True: a socket is ready. */
bool grid_driver_is_ready(grid_driver *driver);

/* The number of calls so far that let libcurl run transfers. */
unsigned grid_driver_entry(const grid_driver *driver);

/* In this entry, some bytes of TLS could not be written to their socket yet. */
bool grid_driver_is_blocked(const grid_driver *driver);

/* Sleeps until a socket is ready or a timer is due, at most `seconds`; a signal ends the
 * sleep early. */
void grid_driver_wait(grid_driver *driver, double seconds);

/* Seconds until the next step is due if the descriptor does not become readable;
 * negative: none is due. */
double grid_driver_timeout(const grid_driver *driver);

/* Readable when a step has work to do, and while a wakeup is set; -1 if the platform has
 * no such descriptor. */
int grid_driver_fd(const grid_driver *driver);

/* A wakeup keeps the descriptor readable until it is cleared. Steps and waits ignore
 * it. */
void grid_driver_wake(grid_driver *driver);
void grid_driver_clear_wakeup(grid_driver *driver);

#endif
