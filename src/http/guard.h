/* A guard around calls of libcurl preserves the program's signal mask and pending
 * signals, and empties OpenSSL's error queue.
 *
 * Required around every call that may write to a socket or use TLS; curl_multi_poll and
 * curl_multi_timeout do neither. Guards nest.
 * Owns: nothing that outlives the call.
 * Does not know: the calls. */
#ifndef GRID_HTTP_GUARD_H
#define GRID_HTTP_GUARD_H

#include <stdbool.h>

typedef struct grid_guard {
    bool unblocks; /* SIGPIPE was not blocked before */
    bool drains;   /* SIGPIPE was not pending before */
} grid_guard;

void grid_guard_enter(grid_guard *guard);
void grid_guard_leave(const grid_guard *guard);

#endif
