/* Sets the options of an easy handle for an exchange, and returns which kind of
 * connection they choose: shared or not, over TLS or not.
 *
 * Owns: nothing; the handle belongs to the caller.
 * Does not know: how header lines are built, callbacks, and the result of the
 * exchange. */
#ifndef GRID_HTTP_OPTIONS_H
#define GRID_HTTP_OPTIONS_H

#include "base/slice.h"
#include "http/exchange.h"
#include "http/header_lines.h"
#include "http/url.h"

#include <curl/curl.h>

/* Sets an option, and stores a failure in `code`: libcurl copies strings and may run out
 * of memory. */
#define GRID_SET_OPTION(easy, code, option, value)                   \
    do {                                                             \
        CURLcode set_code = curl_easy_setopt((easy), option, (value)); \
        if (set_code != CURLE_OK)                                    \
            (code) = set_code;                                       \
    } while (0)

/* The lines and the bytes of exchange->body must outlive the handle. Returns the code of
 * an option that could not be set. */
CURLcode grid_options_set(CURL *easy, const grid_exchange *exchange, const grid_url *url, const grid_header_lines *lines);

/* Called before a transfer is added: the transfer shares connections only with transfers
 * of the same series. */
void grid_options_set_series(CURL *easy, unsigned series);

/* True: the exchange may share its connection with others. HTTP/2, which allows that, is
 * negotiated in the TLS handshake. */
bool grid_options_may_share(const grid_exchange *exchange);

/* True: input of the connection may lie in the TLS session with the proxy, to which
 * libcurl gives no access, and not only in that with the server. */
bool grid_options_hides_input(const grid_exchange *exchange);

/* True: the connection uses no TLS, neither to the server nor to a proxy. */
bool grid_options_in_clear(const grid_exchange *exchange);

/* Called for each header line of an exchange that hides input: libcurl closes the
 * connection after HTTP/1.1. Input behind an answer would be taken for the next
 * answer. */
void grid_options_end_http1(CURL *easy, grid_slice line);

#endif
