/* A URL that was taken apart once. libcurl would do so again for each transfer, which is a sixth of all that it does for one.
 *
 * Owns: the text, and what libcurl made of it. Refuses to know: which URLs are good ones; what libcurl cannot take apart is
 * left to the transfer, which fails by it.
 * Reference-counted: whoever has begun a transfer with it keeps it until that has ended. */
#ifndef GRID_HTTP_URL_H
#define GRID_HTTP_URL_H

#include <curl/curl.h>

#include <stdbool.h>
#include <stdint.h>

typedef struct grid_url grid_url;

/* One reference for the caller; NULL: out of memory. */
grid_url *grid_url_new(const char *text);
grid_url *grid_url_ref(grid_url *url);
void grid_url_unref(grid_url *url); /* NULL is fine */

bool grid_url_is(const grid_url *url, const char *text);

/* A number for the scheme, host and port: equal texts have equal numbers, others hardly ever. */
uint64_t grid_url_origin(const grid_url *url);

/* For CURLOPT_CURLU, which takes precedence over CURLOPT_URL; NULL where the text is no URL. */
CURLU *grid_url_parts(const grid_url *url);

#endif
