/* Parses the dates of HTTP (RFC 9110 section 5.6.7).
 *
 * Owns: nothing. Does not know: the header, and the time of day. */
#ifndef GRID_HTTP_DATE_H
#define GRID_HTTP_DATE_H

#include "base/slice.h"

#include <time.h>

/* Seconds since 1970. -1: not a date. */
time_t grid_date_parse(grid_slice text);

#endif
