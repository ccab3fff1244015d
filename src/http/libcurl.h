/* Reports version, features and authorities of libcurl at run time, which may be newer or
 * older than the headers at compile time.
 *
 * Owns: a copy of the version information, read once per process, since curl_version_info
 * of some versions is not thread-safe.
 * Does not know: handles. */
#ifndef GRID_HTTP_LIBCURL_H
#define GRID_HTTP_LIBCURL_H

#include <stdbool.h>

/* "7.88.1" */
const char *grid_libcurl_version(void);

/* Before 7.87, OpenSSL writes to libcurl's sockets directly, without MSG_NOSIGNAL. */
bool grid_libcurl_raises_sigpipe(void);

/* A libcurl built without HTTP/2 rejects CURL_HTTP_VERSION_2TLS, even though that allows
 * HTTP/1.1. */
bool grid_libcurl_has_http2(void);

/* From 7.88 on, libcurl's text reports the last stream of a GOAWAY. */
bool grid_libcurl_reports_goaway(void);

/* For a refused HTTP/2 stream on a reused connection libcurl writes no error text; for
 * all other errors it does. */
bool grid_libcurl_omits_refusal(void);

/* The end of an HTTP/2 connection may be reported as the end of an answer that has not
 * begun, without an error text. */
bool grid_libcurl_omits_connection_loss(void);

/* From 8.6 on, libcurl distinguishes a header line that is too large from a lack of
 * memory. */
bool grid_libcurl_reports_too_large(void);

/* The folder of authorities to verify with in place of the bundle, or NULL: OpenSSL opens
 * only the files whose names are the hashes of the issuers that a peer names, while each
 * connection parses the whole bundle. NULL: the folder has no such names, libcurl was
 * built without it, with another TLS library, or is 8.17 or later, which does not verify
 * without its bundle. */
const char *grid_libcurl_ca_folder(void);

#endif
