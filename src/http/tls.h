/* Access to OpenSSL's part of a connection of libcurl. Owns nothing. Does not know:
 * transfers. The only file outside src/crypto that includes OpenSSL. */
#ifndef GRID_HTTP_TLS_H
#define GRID_HTTP_TLS_H

#include <curl/curl.h>

#include <stdbool.h>

/* True: OpenSSL has read bytes from the socket of this transfer that libcurl has not
 * read. False without TLS, and for a libcurl that uses another TLS library. */
bool grid_tls_has_input(CURL *easy);

/* After *until, on grid_clock_now, libcurl finds no input on the socket of this
 * transfer; 0: no limit. libcurl reads as long as there is input that is part of no
 * answer, such as HTTP/2 control frames: 7.88 to 8.0 for seconds. `until` must outlive
 * the connection. No effect without TLS, and for a libcurl that uses another TLS
 * library. */
void grid_tls_limit_reads(CURL *easy, double *until);

/* Empties this thread's queue of OpenSSL errors. */
void grid_tls_clear_errors(void);

#endif
