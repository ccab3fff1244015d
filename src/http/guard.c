#include "http/guard.h"

#include "http/libcurl.h"
#include "http/tls.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

/* SIGPIPE: a libcurl that raises the signal (grid_libcurl_raises_sigpipe) would end the
 * program if a peer resets a TLS connection. The signal is blocked in this thread during
 * the call, and removed if it was raised. A signal that was pending before stays pending.
 *
 * OpenSSL's error queue: libcurl leaves errors there after a failed handshake. Other code
 * in the same thread that uses OpenSSL, such as nginx, would attribute them to its own
 * calls. */

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

/* Only the mask of this thread is changed, since a write raises SIGPIPE in the writing
 * thread. */
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
