/* What OpenSSL knows of a connection and libcurl does not tell. Owns nothing. */
#ifndef GRID_HTTP_TLS_H
#define GRID_HTTP_TLS_H

#include <curl/curl.h>

#include <stdbool.h>

/* True: OpenSSL has read bytes from the socket of this transfer, and libcurl has not taken
 * them. False in the clear, and for a libcurl that uses another TLS library. */
bool grid_tls_has_input(CURL *easy);

#endif
