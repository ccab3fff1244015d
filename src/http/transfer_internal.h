/* The state of a transfer. transfer.c has the life cycle and the results;
 * transfer_callbacks.c has the callbacks that libcurl calls during the transfer.
 *
 * Owns: nothing.
 * Does not know: other tasks of the engine. */
#ifndef GRID_HTTP_TRANSFER_INTERNAL_H
#define GRID_HTTP_TRANSFER_INTERNAL_H

#include "http/body.h"
#include "http/header_lines.h"
#include "http/task.h"
#include "http/transfer.h"
#include "http/url.h"

struct grid_transfer {
    grid_task task;
    grid_engine *engine;
    grid_url *url;
    grid_header_lines header_lines;
    grid_headers headers;
    grid_body body;
    bool has_failure; /* a callback has set `failure` and aborted */
    bool is_finished;
    bool hides_input; /* see grid_options_hides_input */
    bool is_early;    /* the answer was there before the request */
    double not_after;
    CURLcode code;
    grid_error failure;
    grid_timing timing;
    long retry_after;
    char detail[CURL_ERROR_SIZE];
};

/* Sets the callbacks of the easy handle; a failure is in transfer->code. */
void grid_transfer_set_callbacks(grid_transfer *transfer);

/* Sets the failure of an aborted transfer. Returns false. */
bool grid_transfer_refuse(grid_transfer *transfer, grid_kind kind, const char *code, const char *message);

/* The server refused the HTTP/2 stream. A refusal after the beginning of an answer is
 * ignored, since the server has processed the request. */
bool grid_transfer_is_refused(const grid_transfer *transfer);

/* The status of a proxy that refused CONNECT; 0: no refusal. */
long grid_transfer_proxy_refusal(const grid_transfer *transfer);

#endif
