/* The errors (base/error.h) for libcurl's result codes.
 *
 * Owns: the table of codes. Does not know: transfers. */
#ifndef GRID_HTTP_FAILURE_H
#define GRID_HTTP_FAILURE_H

#include "base/error.h"

#include <curl/curl.h>

/* The end of an exchange without a whole answer. */
typedef struct grid_ending {
    CURLcode code;
    const char *detail; /* CURLOPT_ERRORBUFFER, perhaps empty */
    double seconds;
    long proxy_status; /* with which a proxy refused CONNECT; 0: it did not */
    int status;        /* of the answer; 0: none came */
    bool handed_over;  /* the request had begun to go out */
    bool is_refused;   /* the server refused the HTTP/2 stream */
} grid_ending;

void grid_failure_describe(grid_error *err, const grid_ending *ending);

/* curl_multi_add_handle failed. Returns false. */
bool grid_failure_not_started(grid_error *err, CURLMcode code);

#endif
