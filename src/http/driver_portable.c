/* The driver where there is no epoll: libcurl looks at every open transfer in each step. */
#ifdef GRID_NO_EPOLL

#include "base/alloc.h"
#include "http/driver.h"
#include "http/socket.h"

#include <limits.h>
#include <math.h>

struct grid_driver {
    CURLM *multi;
};

grid_driver *grid_driver_new(CURLM *multi, grid_error *err)
{
    grid_driver *driver = grid_malloc(sizeof *driver);

    if (driver)
        driver->multi = multi;
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
    (void)context, (void)purpose;
    return grid_socket_open(address);
}

void grid_driver_attach(grid_driver *driver, CURL *easy)
{
    (void)driver;
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
}

/* Looking at one transfer would be looking at all: they go on their way in the next step. */
void grid_driver_begin(grid_driver *driver, size_t open)
{
    (void)driver, (void)open;
}

/* What lies on a connection at rest, libcurl 8.0 and later see for themselves; with 7.x, this build does not. */
void grid_driver_look_at_rest(grid_driver *driver)
{
    (void)driver;
}

void grid_driver_expect_silence(grid_driver *driver, curl_socket_t fd)
{
    (void)driver, (void)fd;
}

/* When something came on it, nobody knows here. */
void grid_driver_end_silent(grid_driver *driver, int port, double since)
{
    (void)driver, (void)port, (void)since;
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
