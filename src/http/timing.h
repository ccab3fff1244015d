/* Reads the times that libcurl has measured.
 * Owns: nothing. Does not know: transfers. */
#ifndef GRID_HTTP_TIMING_H
#define GRID_HTTP_TIMING_H

#include "http/exchange.h"

#include <curl/curl.h>

grid_timing grid_timing_read(CURL *easy);

#endif
