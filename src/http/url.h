/* A URL that is parsed once, since parsing it for each transfer would be a sixth of the
 * work of a transfer.
 *
 * Owns: the text, and the CURLU that libcurl parsed.
 * Does not know: which URLs are valid; a transfer with a URL that libcurl cannot parse
 * fails. Reference-counted: each transfer in flight has a reference. */
#ifndef GRID_HTTP_URL_H
#define GRID_HTTP_URL_H

#include <curl/curl.h>

#include <stdbool.h>
#include <stdint.h>

typedef struct grid_url grid_url;

/* One reference for the caller; NULL: out of memory. */
grid_url *grid_url_new(const char *text);
grid_url *grid_url_ref(grid_url *url);
void grid_url_unref(grid_url *url); /* NULL is allowed */

bool grid_url_is(const grid_url *url, const char *text);

/* A hash of scheme, host and port: equal texts have equal hashes. */
uint64_t grid_url_origin(const grid_url *url);

/* For CURLOPT_CURLU, which takes precedence over CURLOPT_URL; NULL if the text is not a
 * URL. */
CURLU *grid_url_parts(const grid_url *url);

#endif
