/* The driver where there is no epoll: libcurl looks at every open transfer in each step. */
#ifdef GRID_NO_EPOLL

#include "base/alloc.h"
#include "http/driver.h"
#include "http/socket.h"

#include <limits.h>
#include <math.h>
#include <unistd.h>

struct grid_driver {
    CURLM *multi;
    grid_connections *connections;
};

grid_driver *grid_driver_new(CURLM *multi, grid_connections *connections, grid_error *err)
{
    grid_driver *driver = grid_malloc(sizeof *driver);

    if (driver)
        *driver = (grid_driver){.multi = multi, .connections = connections};
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

/* Looking at one transfer would be looking at all: they go on their way in the next step. */
void grid_driver_begin(grid_driver *driver, size_t open)
{
    (void)driver, (void)open;
}

/* Without epoll the driver does not know when input came. */
void grid_driver_end_silent(grid_driver *driver, curl_socket_t fd, double since)
{
    (void)driver, (void)fd, (void)since;
}

bool grid_driver_step(grid_driver *driver)
{
    int running;

    curl_multi_perform(driver->multi, &running);
    return false;
}

double grid_driver_timeout(const grid_driver *driver)
{
    long milliseconds = -1;

    curl_multi_timeout(driver->multi, &milliseconds);
    return milliseconds < 0 ? -1 : (double)milliseconds / 1000;
}

void grid_driver_wait(grid_driver *driver, double seconds)
{
    int ready;
    int milliseconds = seconds > INT_MAX / 1000 ? INT_MAX : (int)ceil(seconds * 1000);

    if (milliseconds > 0) /* curl_multi_poll heeds libcurl's own timer */
        curl_multi_poll(driver->multi, NULL, 0, milliseconds, &ready);
}

int grid_driver_fd(const grid_driver *driver)
{
    (void)driver;
    return -1;
}

void grid_driver_ring(grid_driver *driver)
{
    (void)driver;
}

void grid_driver_silence(grid_driver *driver)
{
    (void)driver;
}

#else
typedef int grid_driver_portable_is_left_out; /* ISO C wants something in a file */
#endif
