#ifndef GRID_NO_EPOLL

#include "http/watch.h"

#include "base/alloc.h"
#include "http/fd_table.h"
#include "http/socket.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct grid_watched {
    bool is_open;
    bool is_wanted;
    bool is_paused;       /* not polled for writing */
    unsigned char writes; /* writable without input, in a row */
    unsigned char lane;   /* of the multi handle that wants it */
    uint32_t events; /* registered in epoll; 0: the socket is not in epoll */
} grid_watched;

void grid_watch_init(grid_watch *watch, int epoll)
{
    *watch = (grid_watch){.epoll = epoll};
}

void grid_watch_clear(grid_watch *watch)
{
    grid_free(watch->sockets);
    grid_watch_init(watch, -1);
}

static grid_watched *find(const grid_watch *watch, curl_socket_t fd)
{
    return fd < watch->size && watch->sockets[fd].is_open ? &watch->sockets[fd] : NULL;
}

static bool has_place(grid_watch *watch, curl_socket_t fd)
{
    grid_watched *sockets;

    if (fd < watch->size)
        return true;
    sockets = grid_fd_table_grow(watch->sockets, &watch->size, sizeof *sockets, fd);
    if (sockets)
        watch->sockets = sockets;
    return sockets != NULL;
}

/* Removes the socket from epoll before close(), since a socket that another process has
 * open too would stay there. If epoll does not have the socket, libcurl has closed it
 * without a callback, as 7.88 to 8.2 do with sockets that were never connected (curl pull
 * 11439). */
static void forget(const grid_watch *watch, curl_socket_t fd, grid_watched *known)
{
    if (known->events && epoll_ctl(watch->epoll, EPOLL_CTL_DEL, fd, NULL) != 0)
        known->is_open = false;
    known->events = 0;
}

int grid_watch_close(grid_watch *watch, curl_socket_t fd)
{
    grid_watched *known = find(watch, fd);

    if (known) {
        forget(watch, fd, known);
        known->is_open = false;
    }
    return close(fd);
}

static bool control_epoll(const grid_watch *watch, int operation, curl_socket_t fd, uint32_t events, int lane)
{
    struct epoll_event event = {.events = events, .data.u64 = grid_watch_pack(fd, lane)};

    return epoll_ctl(watch->epoll, operation, fd, &event) == 0;
}

static bool add_or_modify(const grid_watch *watch, curl_socket_t fd, uint32_t events, int lane)
{
    return control_epoll(watch, EPOLL_CTL_ADD, fd, events, lane) ||
           (errno == EEXIST && control_epoll(watch, EPOLL_CTL_MOD, fd, events, lane));
}

bool grid_watch_want(grid_watch *watch, curl_socket_t fd, uint32_t events, int lane)
{
    grid_watched *known = find(watch, fd);

    if (!known)
        return add_or_modify(watch, fd, events, lane);
    known->is_wanted = true;
    known->lane = (unsigned char)lane;
    if (known->events != events && !add_or_modify(watch, fd, events, lane))
        return false;
    known->events = events;
    return true;
}

/* If the table has no memory for the socket, it is polled like a socket that was opened
 * elsewhere. If an earlier socket with this number was closed without a callback, it may
 * still be wanted: libcurl then does not add the new socket again, so it is added
 * here. */
curl_socket_t grid_watch_open(grid_watch *watch, const struct curl_sockaddr *address)
{
    curl_socket_t fd = grid_socket_open(address);
    grid_watched before;

    if (fd < 0 || !has_place(watch, fd))
        return fd;
    before = watch->sockets[fd];
    watch->sockets[fd] = (grid_watched){.is_open = true};
    if (before.is_open && before.is_wanted)
        grid_watch_want(watch, fd, before.events, before.lane);
    return fd;
}

/* EPOLLOUT is removed, since an idle connection is always writable and would be reported
 * at once. */
void grid_watch_leave(grid_watch *watch, curl_socket_t fd)
{
    grid_watched *known = find(watch, fd);

    if (!known) {
        epoll_ctl(watch->epoll, EPOLL_CTL_DEL, fd, NULL);
        return;
    }
    known->is_wanted = false;
    if (!(known->events & EPOLLOUT))
        return;
    if (add_or_modify(watch, fd, EPOLLIN, known->lane))
        known->events = EPOLLIN;
    else
        forget(watch, fd, known);
}

bool grid_watch_is_wanted(grid_watch *watch, curl_socket_t fd)
{
    grid_watched *known = find(watch, fd);

    if (!known || known->is_wanted)
        return true;
    forget(watch, fd, known);
    return false;
}

enum { MANY_WRITES = 64 };

bool grid_watch_pause(grid_watch *watch, curl_socket_t fd)
{
    grid_watched *known = find(watch, fd);

    if (!known || ++known->writes < MANY_WRITES)
        return false;
    known->writes = 0;
    known->is_paused = control_epoll(watch, EPOLL_CTL_MOD, fd, known->events & ~(uint32_t)EPOLLOUT, known->lane);
    return known->is_paused;
}

void grid_watch_resume(grid_watch *watch)
{
    curl_socket_t fd;

    for (fd = 0; fd < watch->size; fd++) {
        grid_watched *known = &watch->sockets[fd];

        if (known->is_open && known->is_paused && known->events)
            control_epoll(watch, EPOLL_CTL_MOD, fd, known->events, known->lane);
        known->is_paused = false;
    }
}

void grid_watch_read(grid_watch *watch, curl_socket_t fd)
{
    grid_watched *known = find(watch, fd);

    if (known)
        known->writes = 0;
}

#else
typedef int grid_watch_is_left_out; /* ISO C requires a declaration in each file */
#endif
