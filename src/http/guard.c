#include "http/guard.h"

#include "http/libcurl.h"
#include "http/tls.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

/* SIGPIPE: a libcurl that raises it (grid_libcurl_raises_sigpipe) would end the
 * program when a peer resets a TLS connection. The signal is blocked in this thread
 * meanwhile, and removed if it was raised. One that was pending before stays
 * pending.
 *
 * OpenSSL's error queue: libcurl leaves errors there after a failed handshake. Other
 * code of the same thread that uses OpenSSL, such as nginx, would take them for its
 * own. */

static sigset_t only_sigpipe(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    return set;
}

static bool is_pending(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

/* A write raises SIGPIPE in the thread that writes, hence the mask of this thread
 * alone. */
static void block(grid_guard *guard)
{
    sigset_t set = only_sigpipe(), before;

    if (pthread_sigmask(SIG_BLOCK, &set, &before) != 0)
        return;
    guard->unblocks = sigismember(&before, SIGPIPE) == 0;
    guard->drains = guard->unblocks || !is_pending();
}

static void drain(void)
{
    const struct timespec at_once = {0};
    sigset_t set = only_sigpipe();

    while (sigtimedwait(&set, NULL, &at_once) < 0 && errno == EINTR)
        ;
}

void grid_guard_enter(grid_guard *guard)
{
    *guard = (grid_guard){false, false};
    if (grid_libcurl_raises_sigpipe())
        block(guard);
}

void grid_guard_leave(const grid_guard *guard)
{
    sigset_t set = only_sigpipe();

    grid_tls_clear_errors();
    if (guard->drains)
        drain();
    if (guard->unblocks)
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
