#define _GNU_SOURCE /* sigaction */

#include "base/signals.h"

#include <signal.h>

static volatile sig_atomic_t caught;

static void record(int number)
{
    (void)number;
    caught = 1;
}

static const struct {
    int number;
    void (*handler)(int);
    int flags;
} actions[] = {
    {SIGINT, record, SA_RESETHAND},
    {SIGTERM, record, SA_RESETHAND},
    {SIGHUP, record, SA_RESETHAND},
    {SIGPIPE, SIG_IGN, 0},
};

enum { SIGNALS = sizeof actions / sizeof actions[0] };

static struct sigaction before[SIGNALS]; /* what the first holder found */
static int holders;

static void catch_one(int i, struct sigaction *found)
{
    struct sigaction action = {.sa_handler = actions[i].handler, .sa_flags = actions[i].flags};

    sigemptyset(&action.sa_mask);
    if (sigaction(actions[i].number, NULL, found) == 0 && found->sa_handler != SIG_IGN)
        sigaction(actions[i].number, &action, NULL);
}

void grid_signals_catch(void)
{
    bool is_first = holders++ == 0;
    struct sigaction ours;

    for (int i = 0; i < SIGNALS; i++)
        catch_one(i, is_first ? &before[i] : &ours);
}

void grid_signals_release(void)
{
    if (--holders > 0)
        return;
    for (int i = 0; i < SIGNALS; i++)
        sigaction(actions[i].number, &before[i], NULL);
}

bool grid_signals_caught(void)
{
    return caught != 0;
}
