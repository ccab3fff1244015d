/* Accesses the OpenSSL session of a libcurl connection. Only this module includes OpenSSL
 * outside of src/crypto.
 * Owns: nothing. Does not know: transfers. */
#ifndef GRID_HTTP_TLS_H
#define GRID_HTTP_TLS_H

#include <curl/curl.h>

#include <stdbool.h>

/* True: OpenSSL has read bytes from the socket of this transfer that libcurl has not
 * read. False without TLS, and if libcurl uses another TLS library. */
bool grid_tls_has_input(CURL *easy);

/* After the time *until, on grid_clock_now, reads from the socket of this transfer find
 * no input; 0: no limit. Without a limit, libcurl reads as long as input arrives that is
 * not part of an answer, such as HTTP/2 control frames: 7.88 to 8.0 for seconds. `until`
 * must outlive the connection. No effect without TLS, and if libcurl uses another TLS
 * library. */
void grid_tls_limit_reads(CURL *easy, double *until);

/* Empties this thread's queue of OpenSSL errors. */
void grid_tls_clear_errors(void);

#endif
