/* A guard is entered before libcurl and left after it, so that the program's signals
 * and OpenSSL's error queue stay as they were.
 *
 * Needed by every entry that may write to a socket or use TLS; curl_multi_poll and
 * curl_multi_timeout do neither. Guards nest.
 * Owns: nothing that outlives the call. */
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
