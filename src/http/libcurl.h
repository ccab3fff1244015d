/* The abilities of the libcurl that runs, which may be newer or older than the headers at
 * compile time.
 *
 * Owns: the answers, read once in a process: curl_version_info of some versions
 * is not thread-safe. */
#ifndef GRID_HTTP_LIBCURL_H
#define GRID_HTTP_LIBCURL_H

#include <stdbool.h>

/* "7.88.1" */
const char *grid_libcurl_version(void);

/* Before 7.87, OpenSSL writes to libcurl's sockets itself, and without MSG_NOSIGNAL. */
bool grid_libcurl_raises_sigpipe(void);

/* A libcurl built without HTTP/2 takes no transfer that asks for it, not even as one
 * of two versions. */
bool grid_libcurl_has_http2(void);

/* From 7.88 on it tells the last stream that a GOAWAY names. */
bool grid_libcurl_tells_goaway(void);

/* It shows a refused HTTP/2 stream on a reused connection as the one error without a
 * text. */
bool grid_libcurl_is_silent_on_refusal(void);

/* It may take the end of an HTTP/2 connection for the end of an answer that did not
 * begin. */
bool grid_libcurl_ends_in_silence(void);

#endif
