/* The threads of a test: how many there are, and which one handles a signal.
 *
 * Owns: the action for SIGUSR1, while a check runs.
 * Does not know: what the threads do. */
#ifndef GRID_SPEC_THREADS_H
#define GRID_SPEC_THREADS_H

#include "check.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

/* Entries of a folder, such as "/proc/self/task". */
static inline int count_entries(const char *path)
{
    DIR *entries = opendir(path);
    int count = 0;

    if (!CHECK(entries != NULL))
        return -1;
    for (struct dirent *entry; (entry = readdir(entries));)
        count += entry->d_name[0] != '.';
    closedir(entries);
    return count;
}

static pthread_t signal_thread;
static atomic_bool handled_by_caller;

static inline void on_signal(int number)
{
    (void)number;
    handled_by_caller = pthread_equal(pthread_self(), signal_thread) != 0;
}

/* Checks that a signal of the process is handled by this thread. */
static inline void check_signal_is_the_callers(int milliseconds)
{
    struct sigaction action = {.sa_handler = on_signal}, before;
    sigset_t mask, old;

    signal_thread = pthread_self();
    handled_by_caller = false;
    sigaction(SIGUSR1, &action, &before);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    /* A thread that has it open would take it now. */
    pthread_sigmask(SIG_BLOCK, &mask, &old);
    kill(getpid(), SIGUSR1);
    usleep(1000U * (unsigned)milliseconds);
    CHECK(!handled_by_caller);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    CHECK(handled_by_caller);
    sigaction(SIGUSR1, &before, NULL);
}

#endif
