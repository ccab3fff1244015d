/* What libcurl's result codes mean in the words of base/error.h. Owns the table; knows nothing of transfers. */
#ifndef GRID_HTTP_FAILURE_H
#define GRID_HTTP_FAILURE_H

#include "base/error.h"

#include <curl/curl.h>

/* How an exchange ended that brought no whole answer. */
typedef struct grid_ending {
    CURLcode code;
    const char *detail; /* CURLOPT_ERRORBUFFER, perhaps empty */
    double seconds;
    long proxy_status; /* with which a proxy refused to connect; 0: it did not */
    int status;        /* of the answer; 0: none came */
    bool handed_over;  /* the request had begun to go out */
    bool is_refused;   /* the server refused the HTTP/2 stream */
} grid_ending;

void grid_failure_describe(grid_error *err, const grid_ending *ending);

/* The multi handle did not take the transfer. Returns false. */
bool grid_failure_not_started(grid_error *err, CURLMcode code);

#endif
