/* A URL that is parsed once. libcurl would parse it for each transfer, which is a sixth
 * of the work of a transfer.
 *
 * Owns: the text, and its parts as libcurl parsed them. Does not know: which URLs are
 * valid; a transfer of a URL that libcurl cannot parse fails.
 * Reference-counted: each transfer in flight holds a reference. */
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

/* A number for the scheme, host and port: equal texts have equal numbers, other texts
 * almost never. */
uint64_t grid_url_origin(const grid_url *url);

/* For CURLOPT_CURLU, which takes precedence over CURLOPT_URL; NULL if the text is no
 * URL. */
CURLU *grid_url_parts(const grid_url *url);

#endif
