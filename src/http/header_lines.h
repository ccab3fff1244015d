/* The header lines of a request, in the form that libcurl takes.
 *
 * Owns: copies of the lines, wiped when freed: they hold API keys and cookies.
 * Does not know: the easy handle that uses the list, and must be freed first. */
#ifndef GRID_HTTP_HEADER_LINES_H
#define GRID_HTTP_HEADER_LINES_H

#include "base/error.h"
#include "http/exchange.h"

#include <curl/curl.h>

/* Appends the exchange's lines to *lines, and what keeps libcurl from adding lines of
 * its own. Fails with code "bad_header" or "out_of_memory"; *lines is to be freed then
 * too. */
bool grid_header_lines_append(struct curl_slist **lines, const grid_exchange *exchange, grid_error *err);

void grid_header_lines_free(struct curl_slist *lines);

#endif
