/* Registers the sockets of libcurl in epoll.
 *
 * When a transfer has ended, libcurl removes its socket, and adds the same socket again
 * for the next transfer on that connection. The socket stays in epoll in between, which
 * saves two system calls per transfer; the table records whether libcurl wants the
 * socket.
 *
 * Owns: a table of the sockets that grid_watch_open opened. Other sockets, such as those
 * that libcurl opens to resolve names, leave epoll when libcurl removes them.
 * Does not know: transfers and time. The epoll descriptor is the driver's. */
#ifndef GRID_HTTP_WATCH_H
#define GRID_HTTP_WATCH_H

#include <curl/curl.h>

#include <stdbool.h>
#include <stdint.h>

typedef struct grid_watch {
    int epoll;
    int size; /* of the table; descriptors are its indexes */
    struct grid_watched *sockets;
} grid_watch;

void grid_watch_init(grid_watch *watch, int epoll);
void grid_watch_clear(grid_watch *watch);

/* Opens a socket (CURL_SOCKET_BAD on failure), and closes one. Some versions of libcurl
 * close some sockets without this call. */
curl_socket_t grid_watch_open(grid_watch *watch, const struct curl_sockaddr *address);
int grid_watch_close(grid_watch *watch, curl_socket_t fd);

/* Polls for EPOLLIN, EPOLLOUT, or both, for the multi handle of that lane. False:
 * epoll_ctl failed since memory is exhausted. */
bool grid_watch_want(grid_watch *watch, curl_socket_t fd, uint32_t events, int lane);

/* The data of an epoll event. */
static inline uint64_t grid_watch_pack(curl_socket_t fd, int lane)
{
    return (uint64_t)(unsigned)lane << 32 | (uint32_t)fd;
}

static inline curl_socket_t grid_watch_fd(uint64_t data)
{
    return (curl_socket_t)(uint32_t)data;
}

static inline int grid_watch_lane(uint64_t data)
{
    return (int)(data >> 32);
}

/* libcurl no longer wants the socket. */
void grid_watch_leave(grid_watch *watch, curl_socket_t fd);

/* Called when a socket is ready. False: libcurl does not want the socket, as when the
 * peer has closed an idle connection; the socket leaves epoll. */
bool grid_watch_is_wanted(grid_watch *watch, curl_socket_t fd);

/* Called when the socket was writable without input. True: this has happened so often in
 * a row that the socket is no longer polled for writing, until grid_watch_resume. If an
 * HTTP/2 window is full, libcurl polls for writing although the socket is writable (curl
 * issue 10618). */
bool grid_watch_pause(grid_watch *watch, curl_socket_t fd);
void grid_watch_resume(grid_watch *watch);

/* Called when the socket is readable. */
void grid_watch_read(grid_watch *watch, curl_socket_t fd);

#endif
