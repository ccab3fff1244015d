/* The open connections of an engine: a request goes out only on one that is fit for it.
 *
 * A reused connection that has input before the request goes out is unfit: the peer has
 * closed it, or has sent bytes that answer no request, which libcurl would take for the
 * answer. libcurl's own check is not sufficient: before 8.0 it leaves HTTP/1.1 out, it
 * does not include what OpenSSL has buffered, and from 8.22 on it is made once a second
 * at most.
 *
 * Owns: which sockets are open, and how many transfers use each.
 * Does not know: transfers, and how sockets are polled. */
#ifndef GRID_HTTP_CONNECTIONS_H
#define GRID_HTTP_CONNECTIONS_H

#include <curl/curl.h>

#include <stdbool.h>

/* After so many requests a connection takes no more, where libcurl does not report
 * which streams a GOAWAY refuses: nginx by default sends one after 1,000. The
 * difference is for requests in flight: libcurl 7.88 would open a connection for each
 * of them at the change. */
enum { GRID_REQUESTS_PER_CONNECTION = 900 };

typedef struct grid_connections {
    int size; /* of the table; descriptors are its indexes */
    struct grid_connection *table;
    unsigned opened; /* sockets, ever */
    unsigned series; /* of new connections; see grid_options_set_series */
} grid_connections;

void grid_connections_init(grid_connections *connections);
void grid_connections_clear(grid_connections *connections);

/* A socket was opened; a socket is about to be closed. False: no memory; the caller
 * closes the socket, since a connection that cannot be checked must not be used. */
bool grid_connections_add(grid_connections *connections, curl_socket_t fd);
void grid_connections_forget(grid_connections *connections, curl_socket_t fd);

/* A transfer's use of a connection. All zero: none. */
typedef struct grid_lease {
    curl_socket_t fd;
    unsigned opened; /* the number of the socket: a descriptor is used again */
} grid_lease;

/* To be called right before a request goes out on the connection with these ports. False:
 * the connection is unfit, and has been shut down. */
bool grid_connections_take(grid_connections *connections, CURL *easy, int local_port,
                           int remote_port, grid_lease *lease);
/* A part of an answer came on the connection. */
void grid_connections_hear(grid_connections *connections, const grid_lease *lease, double now);

/* A request that went out on the connection at that time got no answer: if no other
 * request has got one since, the connection is shut down, so that no other request
 * follows. Other input, such as HTTP/2 PING frames, is not an answer. */
void grid_connections_end_silent(grid_connections *connections, const grid_lease *lease,
                                 double since);

/* A connection that takes no further requests is shut down when its last user leaves. */
void grid_connections_release(grid_connections *connections, grid_lease *lease);

#endif
