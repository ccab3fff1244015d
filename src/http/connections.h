/* The table of open connections of an engine, which admits requests only to fit ones.
 *
 * Owns: the set of open sockets, and the number of transfers that use each.
 * Does not know: transfers, and how sockets are polled. */
#ifndef GRID_HTTP_CONNECTIONS_H
#define GRID_HTTP_CONNECTIONS_H

#include <curl/curl.h>

#include <stdbool.h>
#include <stdint.h>

/* A connection accepts no further requests after this number, if libcurl does not report
 * which streams a GOAWAY refuses: nginx by default sends a GOAWAY after 1,000. The
 * difference is for requests in flight: libcurl 7.88 would open a connection for each of
 * them at the change. */
enum { GRID_REQUESTS_PER_CONNECTION = 900 };

typedef struct grid_connections {
    int size; /* of the table; descriptors are its indexes */
    struct grid_connection *table;
    unsigned opened; /* sockets, ever */
    unsigned series; /* of new connections; see grid_options_set_series */
} grid_connections;

void grid_connections_init(grid_connections *connections);
void grid_connections_clear(grid_connections *connections);

/* Called when a socket was opened, and before a socket is closed. False: no memory; the
 * caller closes the socket, since a connection that cannot be checked must not be
 * used. */
bool grid_connections_add(grid_connections *connections, curl_socket_t fd);
void grid_connections_forget(grid_connections *connections, curl_socket_t fd);

/* The use of a connection by a transfer. All zero: none. */
typedef struct grid_lease {
    curl_socket_t fd;
    unsigned opened; /* the number of the socket, since descriptors are reused */
    CURL *user;      /* handle of the transfer */
    bool is_first;   /* the connection was opened for this request */
    bool is_refused; /* none was begun: the connection carries a request of HTTP/1.1 */
    uint64_t received; /* bytes of TLS before the request; 0: not known */
} grid_lease;

/* The two ends of a connection, as CURLOPT_PREREQFUNCTION passes them. */
typedef struct grid_ends {
    const char *local_address;
    const char *remote_address; /* of the proxy, if there is one */
    int local_port;
    int remote_port;
} grid_ends;

/* To be called immediately before a request is sent on the connection with these ends.
 * `may_share`: see grid_options_may_share.
 * False: the connection was unfit. It has been shut down, unless lease->is_refused. */
bool grid_connections_take(grid_connections *connections, CURL *easy, bool may_share, const grid_ends *ends,
                           grid_lease *lease);

/* To be called immediately before a request is sent in the clear. True: the peer has sent
 * bytes on a new connection. */
bool grid_connections_speaks_first(const grid_connections *connections, const grid_lease *lease);

/* To be called when an answer begins on a TLS connection, unless the proxy has one of its
 * own. True: the bytes that OpenSSL has read so far were received before the request. */
bool grid_connections_is_early(CURL *easy, const grid_lease *lease);

/* A part of an answer was received on the connection. */
void grid_connections_on_answer(grid_connections *connections, const grid_lease *lease, double now);

/* A request that was sent on the connection at the time `since` got no answer. If no
 * other request has got an answer since, the connection is shut down, so that libcurl
 * does not reuse it. Other input, such as HTTP/2 PING frames, is not an answer. */
void grid_connections_end_unanswered(grid_connections *connections, const grid_lease *lease,
                                 double since);

/* The connection is of no use to the transfer. If no other transfer uses it, it is shut
 * down. False: another one does. */
bool grid_connections_end_unused(grid_connections *connections, const grid_lease *lease);

/* Ends the use. A connection that accepts no further requests is shut down when its last
 * user is released. */
void grid_connections_release(grid_connections *connections, grid_lease *lease);

#endif
