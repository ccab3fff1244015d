/* Monotonic time in seconds. Owns nothing; knows nothing of calendars. */
#ifndef GRID_HTTP_CLOCK_H
#define GRID_HTTP_CLOCK_H

#include <time.h>

static inline double grid_clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#endif
