/* The driver on epoll: the cost of a step is proportional to the ready sockets, not to
 * the open ones. */
#ifndef GRID_NO_EPOLL

#include "base/alloc.h"
#include "http/clock.h"
#include "http/driver.h"
#include "http/tls.h"
#include "http/watch.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RETRY_SECONDS 0.01

/* The most events that one step serves, so that an event loop returns to its other work
 * soon. */
enum { BATCH = 16 };

/* The most entries that follow one for its rest, see grid_read_limit. */
enum { MOST_ROUNDS = 4 };

typedef struct grid_lane {
    grid_driver *driver;
    CURLM *multi;   /* NULL: not set */
    double due;     /* libcurl's timer, on grid_clock_now; negative: none is set */
    double own_due; /* the driver's timer, which libcurl does not change */
    int rest;       /* a socket to serve although it is not ready, see grid_read_limit; -1 */
    int running;    /* transfers that have not ended, as last reported by libcurl */
} grid_lane;

struct grid_driver {
    grid_lane lanes[GRID_LANES];
    grid_connections *connections;
    int epoll;
    grid_watch watch;
    int wakeup; /* an eventfd, always readable, polled while set; -1: not opened yet */
    bool is_awake;
    double resume_at; /* to poll for writing, on grid_clock_now; negative: never */
    unsigned entry; /* number of calls into libcurl */
    grid_read_limit reads;
    int ready_count;
    struct epoll_event ready[BATCH];
};

/* CURLMOPT_SOCKETFUNCTION. If epoll has no memory for a socket, the socket is not polled
 * and its transfer ends at its deadline. No error is returned, since that would end every
 * transfer and stop libcurl's timer permanently. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
    grid_lane *lane = context;
    grid_driver *driver = lane->driver;
    uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0U) | (what & CURL_POLL_OUT ? EPOLLOUT : 0U);

    (void)easy, (void)known;
    if (what == CURL_POLL_REMOVE)
        grid_watch_leave(&driver->watch, fd);
    else
        grid_watch_want(&driver->watch, fd, events, (int)(lane - driver->lanes));
    return 0;
}

static curl_socket_t on_open(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    grid_driver *driver = context;
    curl_socket_t fd = grid_watch_open(&driver->watch, address);

    (void)purpose;
    if (fd == CURL_SOCKET_BAD || grid_connections_add(driver->connections, fd))
        return fd;
    grid_watch_close(&driver->watch, fd);
    return CURL_SOCKET_BAD;
}

static int on_close(void *context, curl_socket_t fd)
{
    grid_driver *driver = context;

    grid_connections_forget(driver->connections, fd);
    return grid_watch_close(&driver->watch, fd);
}

/* The callbacks are set for each transfer, since libcurl closes a connection by the
 * callback of the transfer that opened the connection. */
void grid_driver_attach(grid_driver *driver, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, driver);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, driver);
}

/* CURLMOPT_TIMERFUNCTION: -1 deletes the timer; it is one-shot. */
static int on_timer(CURLM *multi, long milliseconds, void *context)
{
    grid_lane *lane = context;

    (void)multi;
    lane->due = milliseconds < 0 ? -1 : grid_clock_now() + (double)milliseconds / 1000;
    return 0;
}

grid_driver *grid_driver_new(grid_connections *connections, grid_error *err)
{
    grid_driver *driver = grid_calloc(sizeof *driver);

    if (!driver) {
        grid_error_out_of_memory(err);
        return NULL;
    }
    driver->connections = connections;
    for (int i = 0; i < GRID_LANES; i++)
        driver->lanes[i] = (grid_lane){.driver = driver, .due = -1, .own_due = -1, .rest = -1};
    driver->resume_at = -1;
    driver->wakeup = -1;
    driver->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (driver->epoll < 0) {
        grid_error_set(err, GRID_REQUEST, "no_descriptor",
                       "no file descriptor is left for epoll: close files, or raise the limit (ulimit -n)");
        grid_free(driver);
        return NULL;
    }
    grid_watch_init(&driver->watch, driver->epoll);
    return driver;
}

void grid_driver_set_multi(grid_driver *driver, int lane, CURLM *multi)
{
    driver->lanes[lane].multi = multi;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, &driver->lanes[lane]);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, &driver->lanes[lane]);
}

void grid_driver_free(grid_driver *driver)
{
    grid_watch_clear(&driver->watch);
    close(driver->epoll);
    if (driver->wakeup >= 0)
        close(driver->wakeup);
    grid_free(driver);
}

static void poll_ready(grid_driver *driver, int milliseconds)
{
    int count = epoll_wait(driver->epoll, driver->ready, BATCH, milliseconds);

    driver->ready_count = count > 0 ? count : 0;
}

/* curl_multi_socket_action: with a mask of 0 (EPOLLERR or EPOLLHUP alone) libcurl polls
 * the socket itself. */
static int action_mask(uint32_t events)
{
    return (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0);
}

/* If libcurl runs out of memory here, it sets no further timer. The driver calls it again
 * after RETRY_SECONDS, so that its timeouts are kept. */
static void enter(grid_lane *lane, curl_socket_t fd, int mask, double seconds)
{
    grid_driver *driver = lane->driver;

    driver->entry++;
    grid_read_limit_begin(&driver->reads, seconds);
    if (curl_multi_socket_action(lane->multi, fd, mask, &lane->running) != CURLM_OK)
        lane->own_due = grid_clock_now() + RETRY_SECONDS;
    grid_read_limit_end(&driver->reads);
}

/* Also serves a rest at once, so that another one can be kept. */
static void act(grid_lane *lane, curl_socket_t fd, int mask, double seconds)
{
    int *rest = &lane->driver->reads.rest, rounds = 0;

    enter(lane, fd, mask, seconds);
    while (*rest >= 0 && rounds++ < MOST_ROUNDS)
        enter(lane, *rest, CURL_CSELECT_IN, seconds);
    if (*rest >= 0 || lane->rest == fd)
        lane->rest = *rest;
}

static void act_on_rest(grid_lane *lane, double seconds)
{
    if (lane->rest >= 0)
        act(lane, lane->rest, CURL_CSELECT_IN, seconds);
}

static void act_on_due(grid_lane *lane, double seconds)
{
    double due = grid_clock_sooner(lane->due, lane->own_due);

    if (grid_clock_until(due) != 0)
        return;
    if (due == lane->due)
        lane->due = -1;
    else
        lane->own_due = -1;
    act(lane, CURL_SOCKET_TIMEOUT, 0, seconds);
}

void grid_driver_begin(grid_driver *driver, int lane, size_t open)
{
    grid_lane *own = &driver->lanes[lane];

    act_on_due(own, GRID_READ_SECONDS);
    if ((size_t)own->running < open)
        own->own_due = grid_clock_now();
}

/* A wakeup is not served. A socket that stays writable without input is paused, see
 * grid_watch_pause. */
static void serve(grid_driver *driver, const struct epoll_event *ready, double seconds, double now)
{
    curl_socket_t fd = grid_watch_fd(ready->data.u64);
    grid_lane *lane = &driver->lanes[grid_watch_lane(ready->data.u64)];
    bool is_writable_only = ready->events == EPOLLOUT;

    if (fd == driver->wakeup || !grid_watch_is_wanted(&driver->watch, fd))
        return;
    if (!is_writable_only)
        grid_watch_read(&driver->watch, fd);
    act(lane, fd, action_mask(ready->events), seconds);
    if (is_writable_only && grid_watch_pause(&driver->watch, fd))
        driver->resume_at = grid_clock_sooner(driver->resume_at, now + RETRY_SECONDS);
}

void grid_driver_read_again(grid_driver *driver, curl_socket_t fd)
{
    driver->reads.rest = fd;
}

void grid_driver_read(grid_driver *driver, int lane, curl_socket_t fd)
{
    act(&driver->lanes[lane], fd, CURL_CSELECT_IN, GRID_READ_SECONDS);
}

bool grid_driver_step(grid_driver *driver)
{
    double now = grid_clock_now(), share;
    int i, count;

    if (!driver->ready_count)
        poll_ready(driver, 0);
    count = driver->ready_count;
    driver->ready_count = 0;
    share = GRID_READ_SECONDS / (count + GRID_LANES);
    for (i = 0; i < count; i++)
        serve(driver, &driver->ready[i], share, now);
    for (i = 0; i < GRID_LANES; i++) {
        act_on_rest(&driver->lanes[i], share);
        act_on_due(&driver->lanes[i], share);
    }
    if (grid_clock_until(driver->resume_at) == 0) {
        driver->resume_at = -1;
        grid_watch_resume(&driver->watch);
    }
    return count == BATCH;
}

void grid_driver_limit_reads(grid_driver *driver, CURL *easy)
{
    grid_tls_limit_reads(easy, &driver->reads);
}

static bool has_rest(const grid_driver *driver)
{
    bool is_found = false;

    for (int i = 0; i < GRID_LANES; i++)
        is_found |= driver->lanes[i].rest >= 0;
    return is_found;
}

bool grid_driver_is_ready(grid_driver *driver)
{
    if (!driver->ready_count)
        poll_ready(driver, 0);
    return driver->ready_count > 0 || has_rest(driver);
}

unsigned grid_driver_entry(const grid_driver *driver)
{
    return driver->entry;
}

bool grid_driver_is_blocked(const grid_driver *driver)
{
    return driver->reads.is_blocked;
}

double grid_driver_timeout(const grid_driver *driver)
{
    double due = driver->resume_at;

    for (int i = 0; i < GRID_LANES; i++)
        due = grid_clock_sooner(due, grid_clock_sooner(driver->lanes[i].due, driver->lanes[i].own_due));
    return driver->ready_count || has_rest(driver) ? 0 : grid_clock_until(due);
}

static void poll_wakeup(const grid_driver *driver, bool on)
{
    struct epoll_event event = {.events = on ? EPOLLIN : 0U, .data.u64 = grid_watch_pack(driver->wakeup, 0)};

    epoll_ctl(driver->epoll, EPOLL_CTL_MOD, driver->wakeup, &event);
}

/* Ignores the wakeup, which is for event loops that poll the descriptor. */
void grid_driver_wait(grid_driver *driver, double seconds)
{
    double due = grid_driver_timeout(driver);

    if (due >= 0 && due < seconds)
        seconds = due;
    if (seconds <= 0 || driver->ready_count)
        return;
    if (driver->is_awake)
        poll_wakeup(driver, false);
    poll_ready(driver, seconds > INT_MAX / 1000 ? INT_MAX : (int)ceil(seconds * 1000));
    if (driver->is_awake)
        poll_wakeup(driver, true);
}

int grid_driver_fd(const grid_driver *driver)
{
    return driver->epoll;
}

/* Opens the eventfd at its first use. False: no file descriptor is left. */
static bool has_wakeup(grid_driver *driver)
{
    struct epoll_event event = {.events = 0U};
    int wakeup;

    if (driver->wakeup >= 0)
        return true;
    wakeup = eventfd(1, EFD_CLOEXEC);
    if (wakeup < 0)
        return false;
    event.data.u64 = grid_watch_pack(wakeup, 0);
    if (epoll_ctl(driver->epoll, EPOLL_CTL_ADD, wakeup, &event) != 0) {
        close(wakeup);
        return false;
    }
    driver->wakeup = wakeup;
    return true;
}

/* If no descriptor is left for the wakeup, event loops wait until their own timeout. */
void grid_driver_wake(grid_driver *driver)
{
    if (driver->is_awake || !has_wakeup(driver))
        return;
    poll_wakeup(driver, true);
    driver->is_awake = true;
}

void grid_driver_clear_wakeup(grid_driver *driver)
{
    if (driver->is_awake)
        poll_wakeup(driver, false);
    driver->is_awake = false;
}

#else
typedef int grid_driver_epoll_is_left_out; /* ISO C requires a declaration in each file */
#endif
