/* Makes errors (base/error.h) from libcurl's result codes.
 *
 * Owns: the table of codes.
 * Does not know: transfers. */
#ifndef GRID_HTTP_FAILURE_H
#define GRID_HTTP_FAILURE_H

#include "base/error.h"

#include <curl/curl.h>

/* The end of an exchange without a complete answer. */
typedef struct grid_ending {
    CURLcode code;
    const char *detail; /* CURLOPT_ERRORBUFFER, may be empty */
    double seconds;
    long proxy_status; /* of a proxy that refused CONNECT; 0: no refusal */
    int status;        /* of the answer; 0: none was received */
    bool is_sent;      /* sending of the request has started */
    bool is_refused;   /* the server refused the HTTP/2 stream */
} grid_ending;

void grid_failure_describe(grid_error *err, const grid_ending *ending);

/* Is the connection of no further use? libcurl 8.14 reuses an HTTP/2 connection whose
 * frames nghttp2 has refused. Refused streams may have such a code as well. A callback
 * aborts a transfer that has a connection if libcurl would send the request again. */
bool grid_failure_breaks_connection(CURLcode code);

/* The error of curl_multi_add_handle. Returns false. */
bool grid_failure_not_started(grid_error *err, CURLMcode code);

#endif
