/* The sockets that epoll watches for libcurl.
 *
 * When a call has ended, libcurl lets go of its socket, and wants the same one again for the next call on that connection. In
 * between epoll keeps it, which spares two system calls of each call. Whether it is wanted is remembered here.
 *
 * Owns: what is known of each socket that was opened through here. Others, such as those that libcurl opens for looking up names,
 * leave epoll as soon as libcurl lets go of them.
 * Refuses to know: transfers and time. The epoll descriptor is the driver's. */
#ifndef GRID_HTTP_WATCH_H
#define GRID_HTTP_WATCH_H

#include <curl/curl.h>

#include <stdbool.h>
#include <stdint.h>

typedef struct grid_watch {
    int epoll;
    int size; /* descriptors below it have a place */
    struct grid_watched *sockets;
} grid_watch;

void grid_watch_init(grid_watch *watch, int epoll);
void grid_watch_clear(grid_watch *watch);

/* A new socket, or CURL_SOCKET_BAD; and its end, which some versions of libcurl keep to themselves. */
curl_socket_t grid_watch_open(grid_watch *watch, const struct curl_sockaddr *address);
int grid_watch_close(grid_watch *watch, curl_socket_t fd);

/* EPOLLIN, EPOLLOUT, or both, wanted by the multi handle of that lane. False: the system has no memory for it. */
bool grid_watch_want(grid_watch *watch, curl_socket_t fd, uint32_t events, int lane);

/* What the data of an epoll event is. */
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

void grid_watch_leave(grid_watch *watch, curl_socket_t fd);

/* A socket is ready. False: libcurl does not want it, as when the peer has closed an idle connection; epoll does not report it
 * again. */
bool grid_watch_is_wanted(grid_watch *watch, curl_socket_t fd);

/* It could be written to, and nothing came. True: so often in a row that nobody looks for that any more, until grid_watch_resume.
 * Where an HTTP/2 window is full, libcurl waits for room to write (curl issue 10618), of which there is plenty. */
bool grid_watch_rest(grid_watch *watch, curl_socket_t fd);
void grid_watch_resume(grid_watch *watch);

/* There is something to read. */
void grid_watch_read(grid_watch *watch, curl_socket_t fd);

#endif
