#include "http/connections.h"

#include "base/alloc.h"
#include "http/fd_table.h"
#include "http/libcurl.h"
#include "http/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

typedef struct grid_connection {
    unsigned opened; /* 0: not added */
    unsigned users;
    CURL *user; /* the last one; NULL: it has been released */
    unsigned requests; /* in total */
    double answered_at; /* time of the last part of an answer, on grid_clock_now */
    int local_port; /* 0: not read yet */
    int remote_port;
    char local_address[INET6_ADDRSTRLEN];
    char remote_address[INET6_ADDRSTRLEN];
} grid_connection;

void grid_connections_init(grid_connections *connections)
{
    *connections = (grid_connections){0};
}

void grid_connections_clear(grid_connections *connections)
{
    grid_free(connections->table);
    grid_connections_init(connections);
}

static bool has_place(grid_connections *connections, curl_socket_t fd)
{
    grid_connection *table;

    if (fd < connections->size)
        return true;
    table = grid_fd_table_grow(connections->table, &connections->size, sizeof *table, fd);
    if (table)
        connections->table = table;
    return table != NULL;
}

bool grid_connections_add(grid_connections *connections, curl_socket_t fd)
{
    if (!has_place(connections, fd))
        return false;
    connections->table[fd] = (grid_connection){.opened = ++connections->opened};
    return true;
}

void grid_connections_forget(grid_connections *connections, curl_socket_t fd)
{
    if (fd < connections->size)
        connections->table[fd] = (grid_connection){0};
}

/* The port, and the address as text; 0: none. */
static int read_end(curl_socket_t fd, int (*get_name)(int, struct sockaddr *, socklen_t *), char *text)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    socklen_t size = sizeof address;
    bool is_v6;

    if (get_name(fd, &address.any, &size) != 0)
        return 0;
    is_v6 = address.any.sa_family == AF_INET6;
    if (!inet_ntop(address.any.sa_family, is_v6 ? (void *)&address.v6.sin6_addr : (void *)&address.v4.sin_addr, text,
                   INET6_ADDRSTRLEN))
        return 0;
    return ntohs(is_v6 ? address.v6.sin6_port : address.v4.sin_port);
}

/* The kernel gives connections to different addresses the same local port. */
static bool is_between(const grid_connection *connection, const grid_ends *ends)
{
    return connection->local_port == ends->local_port && connection->remote_port == ends->remote_port &&
           strcmp(connection->remote_address, ends->remote_address) == 0 &&
           strcmp(connection->local_address, ends->local_address) == 0;
}

/* The ends are read again until they match: libcurl 7.88 to 8.2 closes sockets that were
 * never connected without a callback (curl pull 11439), and another part of the program
 * may have opened the same descriptor since. */
static bool has_ends(grid_connection *connection, curl_socket_t fd, const grid_ends *ends)
{
    if (connection->local_port)
        return is_between(connection, ends);
    connection->local_port = read_end(fd, getsockname, connection->local_address);
    connection->remote_port = connection->local_port == ends->local_port
                                  ? read_end(fd, getpeername, connection->remote_address)
                                  : 0;
    if (is_between(connection, ends))
        return true;
    connection->local_port = 0;
    return false;
}

static curl_socket_t find(const grid_connections *connections, const grid_ends *ends)
{
    curl_socket_t fd;

    for (fd = 0; fd < connections->size; fd++)
        if (connections->table[fd].opened && has_ends(&connections->table[fd], fd, ends))
            return fd;
    return CURL_SOCKET_BAD;
}

/* Discards buffered input, since libcurl before 8.16 peeks at it and considers the
 * connection alive. After further input the kernel resets the connection. */
static void end(curl_socket_t fd)
{
    enum { MOST_READS = 1024 };
    char discarded[16 * 1024];
    int reads = 0;

    shutdown(fd, SHUT_RDWR);
    while (reads++ < MOST_READS && recv(fd, discarded, sizeof discarded, MSG_DONTWAIT) > 0)
        ;
}

/* An end of stream and an error count as input. */
static bool has_input(curl_socket_t fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
           (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static bool is_reused(CURL *easy)
{
    long connected = 0;

    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connected);
    return connected == 0;
}

static int count_waiting(curl_socket_t fd)
{
    int bytes = 0;

    return ioctl(fd, FIONREAD, &bytes) == 0 ? bytes : 0;
}

static uint64_t count_received(CURL *easy, curl_socket_t fd)
{
    uint64_t bytes = 0;

    return grid_tls_count_read(easy, &bytes) ? bytes + (uint64_t)count_waiting(fd) : 0;
}

/* Of HTTP/1.1, libcurl may have ended the last request, and chosen the connection again,
 * before the engine has collected the end: then it has detached the last handle. */
static bool is_in_use(const grid_connection *connection, bool is_http1)
{
    return connection && connection->users > 0 && (!is_http1 || (connection->user && grid_tls_has_session(connection->user)));
}

static void begin_lease(grid_connections *connections, CURL *easy, curl_socket_t fd, grid_lease *lease)
{
    grid_connection *connection = &connections->table[fd];

    connection->users++;
    connection->user = easy;
    if (++connection->requests == GRID_REQUESTS_PER_CONNECTION && !grid_libcurl_reports_goaway())
        connections->series++;
    *lease = (grid_lease){.fd = fd, .opened = connection->opened, .user = easy, .received = count_received(easy, fd)};
}

static bool holds_input(const grid_connection *connection, curl_socket_t fd, CURL *easy, bool is_http1)
{
    return (connection && has_input(fd)) || grid_tls_has_input(easy) || (!is_http1 && grid_tls_has_read(easy));
}

/* A reused connection that has input before the request is sent is unfit: the peer has
 * closed the connection, or has sent bytes that answer no request, which libcurl would
 * read as the answer. libcurl's own check is not sufficient: before 8.0 it omits
 * HTTP/1.1, it does not include input that OpenSSL has buffered, and from 8.22 on it runs
 * at most once a second. Of HTTP/2, 8.14 has read the input by then: nghttp2 may write
 * its answer to it, such as a GOAWAY, in place of the request or with it.
 *
 * So is one in use that has not negotiated HTTP/2: after an answer that begins with
 * "HTTP/2" on HTTP/1.1, libcurl up to 7.88 sends several requests on it at once, and
 * mixes up their answers. */
bool grid_connections_take(grid_connections *connections, CURL *easy, bool may_share, const grid_ends *ends, grid_lease *lease)
{
    curl_socket_t fd = find(connections, ends);
    const grid_connection *connection = fd == CURL_SOCKET_BAD ? NULL : &connections->table[fd];
    bool is_http1 = !may_share || grid_tls_lacks_http2(easy);
    bool is_first = !is_reused(easy), is_busy = is_in_use(connection, is_http1);

    *lease = (grid_lease){.is_refused = is_busy && is_http1};
    if (lease->is_refused)
        return false;
    if (!is_first && !is_busy && holds_input(connection, fd, easy, is_http1)) {
        if (connection)
            end(fd);
        return false;
    }
    if (connection)
        begin_lease(connections, easy, fd, lease);
    lease->is_first = is_first;
    return true;
}

static grid_connection *leased(const grid_connections *connections, const grid_lease *lease)
{
    grid_connection *connection;

    if (!lease->opened || lease->fd >= connections->size)
        return NULL;
    connection = &connections->table[lease->fd];
    return connection->opened == lease->opened ? connection : NULL;
}

bool grid_connections_speaks_first(const grid_connections *connections, const grid_lease *lease)
{
    return lease->is_first && leased(connections, lease) && count_waiting(lease->fd) > 0;
}

/* A new TLS connection, and an HTTP/2 connection in use, may have input that is no
 * answer, so that input does not make them unfit. */
bool grid_connections_is_early(CURL *easy, const grid_lease *lease)
{
    uint64_t bytes = 0;

    return lease->received && grid_tls_count_read(easy, &bytes) && bytes <= lease->received;
}

void grid_connections_on_answer(grid_connections *connections, const grid_lease *lease, double now)
{
    grid_connection *connection = leased(connections, lease);

    if (connection)
        connection->answered_at = now;
}

void grid_connections_end_unanswered(grid_connections *connections, const grid_lease *lease,
                                 double since)
{
    const grid_connection *connection = leased(connections, lease);

    if (connection && connection->answered_at < since)
        end(lease->fd);
}

bool grid_connections_end_unused(grid_connections *connections, const grid_lease *lease)
{
    const grid_connection *connection = leased(connections, lease);

    if (!connection || connection->users > 1)
        return false;
    end(lease->fd);
    return true;
}

void grid_connections_release(grid_connections *connections, grid_lease *lease)
{
    grid_connection *connection = leased(connections, lease);

    if (connection && connection->user == lease->user)
        connection->user = NULL;
    if (connection && --connection->users == 0 &&
        connection->requests >= GRID_REQUESTS_PER_CONNECTION && !grid_libcurl_reports_goaway())
        end(lease->fd);
    *lease = (grid_lease){0};
}
