#include "base/fork.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static unsigned count;
static _Atomic(pid_t) known; /* 0: to be read */

static void on_fork(void)
{
    count++;
    atomic_store(&known, 0);
}

static void start(void)
{
    pthread_atfork(NULL, NULL, on_fork);
}

unsigned grid_fork_count(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, start);
    return count;
}

pid_t grid_fork_pid(void)
{
    pid_t pid;

    grid_fork_count();
    pid = atomic_load(&known);
    if (!pid) {
        pid = getpid();
        atomic_store(&known, pid);
    }
    return pid;
}
