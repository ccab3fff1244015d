/* Retry-After (RFC 9110 section 10.2.3): seconds, or a date.
 *
 * Owns: the parsing of the field. Does not know: tries, and the time of day. */
#ifndef GRID_HTTP_RETRY_AFTER_H
#define GRID_HTTP_RETRY_AFTER_H

#include "http/headers.h"

#include <time.h>

enum { GRID_RETRY_AFTER_MAX = 365 * 24 * 60 * 60 };

/* Whole seconds from `now` on, rounded up, 0 to GRID_RETRY_AFTER_MAX: longer times are
 * cut. -1: no such field, or in no form of the RFC. Of several values the longest
 * counts. */
long grid_retry_after(const grid_headers *headers, time_t now);

#endif
