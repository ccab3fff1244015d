/* The header lines of a request, as a curl_slist.
 *
 * Owns: copies of the lines, wiped when freed, since they contain API keys and cookies.
 * Does not know: the easy handle that uses the list; the handle must be freed first. */
#ifndef GRID_HTTP_HEADER_LINES_H
#define GRID_HTTP_HEADER_LINES_H

#include "base/error.h"
#include "http/exchange.h"

#include <curl/curl.h>

/* Of the URL and the lines: nghttp2 sends no more than 64 KiB in an HTTP/2 request, which
 * include those that libcurl adds. */
enum { GRID_REQUEST_MAX_BYTES = 63 * 1024 };

typedef struct grid_header_lines {
    struct curl_slist *list;
    size_t size; /* of the exchange's URL and lines */
} grid_header_lines;

/* Copies the exchange's lines into the zeroed struct, and lines that prevent libcurl from
 * adding its own. Fails with code "bad_header", "headers_too_large" or "out_of_memory";
 * the struct must be cleared also then. */
bool grid_header_lines_set(grid_header_lines *lines, const grid_exchange *exchange, grid_error *err);

void grid_header_lines_clear(grid_header_lines *lines);

#endif
