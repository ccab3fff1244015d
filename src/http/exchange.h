/* The parameters of one HTTP exchange, and its measured times.
 * Owns: nothing; all pointers belong to the caller.
 * Does not know: the execution of the exchange. */
#ifndef GRID_HTTP_EXCHANGE_H
#define GRID_HTTP_EXCHANGE_H

#include "base/slice.h"

#include <stdbool.h>

typedef struct grid_exchange {
    const char *method; /* "GET", "POST", … */
    const char *url;
    const grid_slice *headers; /* "Name: value" lines; each must pass grid_header_check */
    size_t header_count;
    const grid_slice *body; /* NULL: none. Its bytes are not copied, see transfer.h */
    double timeout;         /* seconds, for the whole exchange */
    double connect_timeout; /* seconds, for name, connection and TLS together */
    double not_after;       /* on grid_machine_boottime; later no request is sent; 0: no limit */
    size_t max_response_bytes;
    const char *ca_file;   /* NULL: the system's */
    const char *proxy;     /* NULL: from environment variables; "": none */
    bool http1_only;
    bool insecure_skip_tls_verify;
} grid_exchange;

typedef struct grid_timing {
    double total; /* seconds */
    double connect; /* seconds until connected, TLS included; 0 on a reused connection */
    int http_version; /* 10, 11, 20; 0: no answer */
} grid_timing;

#endif
