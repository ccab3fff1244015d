/* Parses Retry-After (RFC 9110 section 10.2.3): seconds, or a date.
 *
 * Owns: nothing. Does not know: attempts, and the time of day. */
#ifndef GRID_HTTP_RETRY_AFTER_H
#define GRID_HTTP_RETRY_AFTER_H

#include "http/headers.h"

#include <time.h>

enum { GRID_RETRY_AFTER_MAX = 365 * 24 * 60 * 60 };

/* Whole seconds from `now` on, rounded up, and limited to GRID_RETRY_AFTER_MAX. -1: no
 * such field, or not in a form of the RFC. Of several values the longest is returned. */
long grid_retry_after(const grid_headers *headers, time_t now);

#endif
