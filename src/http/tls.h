/* What libcurl does not do with OpenSSL's part of a connection. Owns nothing. The only file
 * outside src/crypto that includes OpenSSL. */
#ifndef GRID_HTTP_TLS_H
#define GRID_HTTP_TLS_H

#include <curl/curl.h>

#include <stdbool.h>

/* True: OpenSSL has read bytes from the socket of this transfer, and libcurl has not taken
 * them. False in the clear, and for a libcurl that uses another TLS library. */
bool grid_tls_has_input(CURL *easy);

/* After *until, on grid_clock_now, libcurl takes the socket of this transfer for empty; 0: it
 * never does. It would read as long as there is input that is part of no answer, such as HTTP/2
 * control frames: libcurl 7.88 to 8.0 for seconds. `until` outlives the connection. Without
 * effect in the same cases. */
void grid_tls_limit_reads(CURL *easy, double *until);

/* Empties this thread's queue of OpenSSL errors. */
void grid_tls_clear_errors(void);

#endif
