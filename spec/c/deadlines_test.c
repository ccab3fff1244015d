/* When deadlines are checked: at once, unless input is left that may be the end of an
 * answer, and then only so often. */
#include "check.h"

#include "http/clock.h"
#include "http/deadlines.h"

static grid_connections connections;
static grid_driver *driver;
static grid_deadlines deadlines;

static void begin(double seconds_from_now)
{
    grid_error err;

    driver = grid_driver_new(&connections, &err);
    deadlines = (grid_deadlines){0};
    grid_deadlines_clear(&deadlines);
    grid_deadlines_add(&deadlines, grid_clock_now() + seconds_from_now);
}

static bool are_due(bool more, bool has_answer)
{
    return grid_deadlines_are_due(&deadlines, driver, more, has_answer);
}

/* How often a check is deferred that would be due. */
static int count_deferrals(bool more, bool has_answer)
{
    int count = 0;

    while (count < 5000 && !are_due(more, has_answer))
        count++;
    return count;
}

static void the_first_deadline_counts(void)
{
    begin(60);
    grid_deadlines_add(&deadlines, grid_clock_now() + 30);
    grid_deadlines_add(&deadlines, grid_clock_now() + 90);
    CHECK(grid_deadlines_until(&deadlines) > 29 && grid_deadlines_until(&deadlines) <= 30);
    CHECK(!are_due(false, false));
    grid_deadlines_add(&deadlines, grid_clock_now() - 1);
    CHECK(are_due(false, false));
    grid_deadlines_clear(&deadlines);
    CHECK(grid_deadlines_until(&deadlines) < 0);
    CHECK(!are_due(false, false));
    grid_driver_free(driver);
}

static void sockets_that_were_not_served_defer_a_check(void)
{
    begin(-1);
    CHECK_INT(count_deferrals(true, true), 1024);
    CHECK_INT(count_deferrals(true, true), 1024); /* it begins anew after each check */
    CHECK_INT(count_deferrals(true, false), 8);
    CHECK_INT(count_deferrals(false, false), 0);
    grid_driver_free(driver);
}

static void ready_input_defers_a_check_while_answers_are_received(void)
{
    begin(-1);
    CHECK(are_due(false, true));
    grid_driver_wake(driver);
    if (grid_driver_fd(driver) >= 0) {
        CHECK(are_due(false, false));
        CHECK(!are_due(false, true));
    }
    grid_driver_free(driver);
}

int main(void)
{
    the_first_deadline_counts();
    sockets_that_were_not_served_defer_a_check();
    ready_input_defers_a_check_while_answers_are_received();
    return check_report();
}
