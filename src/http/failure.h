/* What libcurl's result codes mean in the words of base/error.h. Owns the table; knows nothing of transfers. */
#ifndef GRID_HTTP_FAILURE_H
#define GRID_HTTP_FAILURE_H

#include "base/error.h"

#include <curl/curl.h>

/* `detail` is libcurl's own text (CURLOPT_ERRORBUFFER), perhaps empty. */
void grid_failure_describe(grid_error *err, CURLcode code, const char *detail);

#endif
