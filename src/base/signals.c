#define _GNU_SOURCE /* sigaction */

#include "base/signals.h"

#include <signal.h>

static volatile sig_atomic_t caught;

static void record(int number)
{
    (void)number;
    caught = 1;
}

enum { SIGNALS = 4 };

static const int numbers[SIGNALS] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
static struct sigaction before[SIGNALS]; /* what the first holder found */
static int holders;

static void catch_one(int number, struct sigaction *found)
{
    struct sigaction action = {.sa_handler = record, .sa_flags = SA_RESETHAND};

    if (number == SIGPIPE) action = (struct sigaction){.sa_handler = SIG_IGN};
    sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, found) == 0 && found->sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
}

void grid_signals_catch(void)
{
    bool is_first = holders++ == 0;
    struct sigaction ours;

    for (int i = 0; i < SIGNALS; i++) catch_one(numbers[i], is_first ? &before[i] : &ours);
}

void grid_signals_release(void)
{
    if (--holders > 0) return;
    for (int i = 0; i < SIGNALS; i++) sigaction(numbers[i], &before[i], NULL);
}

bool grid_signals_caught(void)
{
    return caught != 0;
}
