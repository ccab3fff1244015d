/* Makes the Nth allocation fail, for every N, until a run needs no more than N.
 *
 * Owns: the countdown, for the allocators in which a test calls failing_now. Two ways
 * to fail: that allocation alone (which finds more), or that one and all after it
 * (memory stays empty). Does not know: what is allocated. */
#ifndef GRID_SPEC_FAILING_H
#define GRID_SPEC_FAILING_H

#include "check.h"

static long failing_at;             /* the one that fails in this run */
static long failing_countdown = -1; /* negative: nothing fails */
static bool failing_on;             /* all allocations after it fail too */
static bool failing_happened;       /* in this run */

/* What `work` puts around the part in which memory may fail. */
static inline void failing_begin(void)
{
    failing_countdown = failing_at;
}

static inline void failing_end(void)
{
    failing_countdown = -1;
    failing_on = false;
}

/* Is this the allocation that fails? */
static inline bool failing_now(void)
{
    bool now = failing_countdown == 0 || (failing_on && failing_happened);

    if (failing_countdown >= 0)
        failing_countdown--;
    failing_happened = failing_happened || now;
    return now;
}

static inline bool failing_allows(void)
{
    return !failing_now();
}

/* Runs `work` with each allocation failing in turn; `work` says whether it left
 * everything as it found it. */
static inline void failing_each(const char *what, bool (*work)(void))
{
    for (int on = 0; on <= 1; on++) {
        long runs = 0, bad = 0;
        do {
            failing_happened = false;
            failing_on = on;
            failing_at = runs;
            if (!work() && ++bad < 10)
                printf("%s: allocation %ld%s fails: not as it was\n", what, runs, on ? " and all after it" : "");
        } while (failing_happened && ++runs < 100000);
        printf("%s: %ld allocations%s\n", what, runs, on ? ", and all after each" : "");
        CHECK(runs > 0);
        CHECK_INT(bad, 0);
    }
}

#endif
