#define _GNU_SOURCE /* sigaction */

#include "base/signals.h"

#include <signal.h>

static volatile sig_atomic_t caught;

static void record(int number)
{
    (void)number;
    caught = 1;
}

static void catch_one(int number)
{
    struct sigaction before, action = {.sa_handler = record, .sa_flags = SA_RESETHAND};

    sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
}

void grid_signals_catch(void)
{
    catch_one(SIGINT);
    catch_one(SIGTERM);
    catch_one(SIGHUP);
    signal(SIGPIPE, SIG_IGN);
}

bool grid_signals_caught(void)
{
    return caught != 0;
}
