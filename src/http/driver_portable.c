/* The driver for platforms without epoll: libcurl polls every open transfer in each
 * step. */
#ifdef GRID_NO_EPOLL

#include "base/alloc.h"
#include "http/clock.h"
#include "http/driver.h"
#include "http/socket.h"
#include "http/tls.h"

#include <limits.h>
#include <math.h>
#include <unistd.h>

struct grid_driver {
    CURLM *multis[GRID_LANES]; /* NULL: not set */
    int running[GRID_LANES];
    int turn; /* the lane to poll next while both have transfers */
    grid_connections *connections;
    unsigned entry; /* number of calls into libcurl */
    grid_read_limit reads;
};

grid_driver *grid_driver_new(grid_connections *connections, grid_error *err)
{
    grid_driver *driver = grid_malloc(sizeof *driver);

    if (driver)
        *driver = (grid_driver){.connections = connections};
    else
        grid_error_out_of_memory(err);
    return driver;
}

void grid_driver_free(grid_driver *driver)
{
    grid_free(driver);
}

static curl_socket_t on_open(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    grid_driver *driver = context;
    curl_socket_t fd = grid_socket_open(address);

    (void)purpose;
    if (fd == CURL_SOCKET_BAD || grid_connections_add(driver->connections, fd))
        return fd;
    close(fd);
    return CURL_SOCKET_BAD;
}

static int on_close(void *context, curl_socket_t fd)
{
    grid_driver *driver = context;

    grid_connections_forget(driver->connections, fd);
    return close(fd);
}

void grid_driver_attach(grid_driver *driver, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, driver);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, driver);
}

void grid_driver_set_multi(grid_driver *driver, int lane, CURLM *multi)
{
    driver->multis[lane] = multi;
}

/* The new transfer starts in the next step, since curl_multi_perform would serve all
 * transfers of the lane. */
void grid_driver_begin(grid_driver *driver, int lane, size_t open)
{
    (void)open;
    driver->running[lane]++;
}

void grid_driver_limit_reads(grid_driver *driver, CURL *easy)
{
    grid_tls_limit_reads(easy, &driver->reads);
}

/* libcurl polls the socket itself: transfers of an HTTP/2 session that has ended may end
 * at their deadlines. */
void grid_driver_read(grid_driver *driver, int lane, curl_socket_t fd)
{
    (void)driver, (void)lane, (void)fd;
}

void grid_driver_read_again(grid_driver *driver, curl_socket_t fd)
{
    (void)driver, (void)fd;
}

bool grid_driver_is_ready(grid_driver *driver)
{
    int ready = 0;

    for (int i = 0; i < GRID_LANES && !ready; i++)
        if (driver->multis[i])
            curl_multi_poll(driver->multis[i], NULL, 0, 0, &ready);
    return ready > 0;
}

unsigned grid_driver_entry(const grid_driver *driver)
{
    return driver->entry;
}

bool grid_driver_is_blocked(const grid_driver *driver)
{
    return driver->reads.is_blocked;
}

bool grid_driver_step(grid_driver *driver)
{
    driver->entry++;
    for (int i = 0; i < GRID_LANES; i++) {
        grid_read_limit_begin(&driver->reads, GRID_READ_SECONDS / GRID_LANES);
        if (driver->multis[i])
            curl_multi_perform(driver->multis[i], &driver->running[i]);
    }
    grid_read_limit_end(&driver->reads);
    return false;
}

static double timeout_of(CURLM *multi)
{
    long milliseconds = -1;

    if (multi)
        curl_multi_timeout(multi, &milliseconds);
    return milliseconds < 0 ? -1 : (double)milliseconds / 1000;
}

double grid_driver_timeout(const grid_driver *driver)
{
    double soonest = -1;

    for (int i = 0; i < GRID_LANES; i++)
        soonest = grid_clock_sooner(soonest, timeout_of(driver->multis[i]));
    return soonest;
}

/* curl_multi_poll polls one multi handle, so two lanes with transfers are polled
 * alternately. */
enum { TURN_MILLISECONDS = 5 };

static CURLM *choose(grid_driver *driver, int *milliseconds)
{
    bool both = driver->multis[0] && driver->multis[1] && driver->running[0] && driver->running[1];

    if (!both)
        return driver->multis[driver->running[1] > 0 || !driver->multis[0]];
    if (*milliseconds > TURN_MILLISECONDS)
        *milliseconds = TURN_MILLISECONDS;
    driver->turn = !driver->turn;
    return driver->multis[driver->turn];
}

/* curl_multi_poll observes libcurl's own timer. */
void grid_driver_wait(grid_driver *driver, double seconds)
{
    int milliseconds = seconds > INT_MAX / 1000 ? INT_MAX : (int)ceil(seconds * 1000);
    CURLM *multi = choose(driver, &milliseconds);
    int ready;

    if (milliseconds > 0 && multi)
        curl_multi_poll(multi, NULL, 0, milliseconds, &ready);
    else if (milliseconds > 0)
        usleep(1000U * (unsigned)(milliseconds > TURN_MILLISECONDS ? TURN_MILLISECONDS : milliseconds));
}

int grid_driver_fd(const grid_driver *driver)
{
    (void)driver;
    return -1;
}

void grid_driver_wake(grid_driver *driver)
{
    (void)driver;
}

void grid_driver_clear_wakeup(grid_driver *driver)
{
    (void)driver;
}

#else
/* ISO C requires a declaration in each file. */
typedef int grid_driver_portable_is_left_out;
#endif
