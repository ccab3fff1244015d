#include "http/deadlines.h"

#include "http/clock.h"

/* A check is deferred by MAX_DEFERRALS steps in a row at most; a step that has received
 * no part of an answer counts as UNANSWERED. */
enum { MAX_DEFERRALS = 1024, UNANSWERED = 128 };

void grid_deadlines_add(grid_deadlines *deadlines, double deadline)
{
    deadlines->next = grid_clock_sooner(deadlines->next, deadline);
}

void grid_deadlines_clear(grid_deadlines *deadlines)
{
    deadlines->next = -1;
}

double grid_deadlines_until(const grid_deadlines *deadlines)
{
    return grid_clock_until(deadlines->next);
}

/* A check is deferred while timers of libcurl are due, since libcurl sets one for a
 * transfer whose input it has read together with that of another transfer; and while
 * parts of answers are received and more input is ready, since one step does not read all
 * that is buffered. */
static bool may_defer(const grid_deadlines *deadlines, grid_driver *driver, bool more, bool has_answer)
{
    if (deadlines->deferrals >= MAX_DEFERRALS)
        return false;
    return more || grid_driver_timeout(driver) == 0 || (has_answer && grid_driver_is_ready(driver));
}

bool grid_deadlines_are_due(grid_deadlines *deadlines, grid_driver *driver, bool more, bool has_answer)
{
    bool has_passed = grid_deadlines_until(deadlines) == 0;

    if (has_passed && may_defer(deadlines, driver, more, has_answer)) {
        deadlines->deferrals += has_answer ? 1 : UNANSWERED;
        return false;
    }
    deadlines->deferrals = 0;
    return has_passed;
}
