/* Monotonic time in seconds.
 * Owns: nothing. Does not know: calendars. */
#ifndef GRID_HTTP_CLOCK_H
#define GRID_HTTP_CLOCK_H

#include <time.h>

static inline double grid_clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The earlier of two times, or the shorter of two durations. A negative value means
 * never, here and below. */
static inline double grid_clock_sooner(double one, double other)
{
    return one < 0 || (other >= 0 && other < one) ? other : one;
}

/* Seconds until the time `then`; 0 if it has passed. */
static inline double grid_clock_until(double then)
{
    double left;

    if (then < 0)
        return -1;
    left = then - grid_clock_now();
    return left > 0 ? left : 0;
}

#endif
