#include "http/options.h"

#include "http/headers.h"
#include "http/libcurl.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define SET(option, value) GRID_SET_OPTION(easy, *code, option, value)

/* libcurl stores an unsigned int; 0 means no limit. */
static long milliseconds(double seconds)
{
    return seconds < INT_MAX / 1000 ? (long)(seconds * 1000) + 1 : INT_MAX;
}

/* The longest headers that an answer may have fit into one read. Over HTTP/2, libcurl
 * 7.88 would read the rest only after further input on the connection, which may not be
 * sent. GRID_HEADERS_MAX_BYTES counts lines without CR, hence the factor. */
enum { READ_BYTES = GRID_HEADERS_MAX_BYTES * 3 / 2 };

/* The least that libcurl takes. From 8.7 on it fills a buffer of that size with zeros for
 * each transfer, 64 KiB by default, for requests of a few KiB. */
enum { SEND_BYTES = 16 * 1024 };

/* Over TLS, libcurl 7.88 and before do not send the rest of headers that take more than
 * twice the buffer, unless a body follows. */
static void set_header_lines(CURL *easy, const grid_header_lines *lines, CURLcode *code)
{
    SET(CURLOPT_HTTPHEADER, lines->list);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, lines->size < SEND_BYTES ? (long)SEND_BYTES : 4L * SEND_BYTES);
}

static void set_limits(CURL *easy, const grid_exchange *exchange, CURLcode *code)
{
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(exchange->connect_timeout));
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
    SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    SET(CURLOPT_QUICK_EXIT, 1L); /* cancelling must not wait for a name server */
#endif
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_BUFFERSIZE, (long)READ_BYTES);
}

static bool is_tls(const grid_exchange *exchange)
{
    return strncmp(exchange->url, "https:", 6) == 0;
}

bool grid_options_may_share(const grid_exchange *exchange)
{
    return is_tls(exchange) && !exchange->http1_only && grid_libcurl_has_http2();
}

/* In the order of libcurl; an empty variable is as none. */
static const char *proxy_of_environment(void)
{
    static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
    const char *value = NULL;

    for (size_t i = 0; i < sizeof names / sizeof names[0] && !(value && value[0]); i++)
        value = getenv(names[i]);
    return value;
}

bool grid_options_hides_input(const grid_exchange *exchange)
{
    const char *proxy = exchange->proxy;

    if (!proxy && is_tls(exchange))
        proxy = proxy_of_environment();
    return proxy && grid_slice_begins((grid_slice){proxy, strlen(proxy)}, "https:");
}

bool grid_options_in_clear(const grid_exchange *exchange)
{
    return !is_tls(exchange) && !grid_options_hides_input(exchange);
}

void grid_options_end_http1(CURL *easy, grid_slice line)
{
    static const char beginning[] = "HTTP/1.";
    size_t size = sizeof beginning - 1;

    if (line.size > size && memcmp(line.data, beginning, size) == 0)
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
}

/* With a ca_file, the CA folder that libcurl was built with must not be used. Up to
 * libcurl 8.16, NULL as CURLOPT_CAPATH disables the folder; later versions use the folder
 * for NULL. A path that is not a folder disables it in every version. */
#define NO_AUTHORITIES "/dev/null"

/* libcurl reuses a connection only for transfers with the same TLS options. These values
 * have the same effect in every TLS library that libcurl 7.81 and later can use. Three
 * values suffice: all connections of series before the last two have been shut down. */
void grid_options_set_series(CURL *easy, unsigned series)
{
    static const long highest[] = {CURL_SSLVERSION_MAX_NONE, CURL_SSLVERSION_MAX_DEFAULT,
                                   CURL_SSLVERSION_MAX_TLSv1_3};

    curl_easy_setopt(easy, CURLOPT_SSLVERSION,
                     CURL_SSLVERSION_TLSv1_2 | highest[series % (sizeof highest / sizeof highest[0])]);
}

/* `bundle` and `folder` are the options of the connection to the server, or of that to
 * the proxy. */
static void set_authorities(CURL *easy, const grid_exchange *exchange, CURLoption bundle, CURLoption folder, CURLcode *code)
{
    if (exchange->ca_file) {
        SET(bundle, exchange->ca_file);
        SET(folder, NO_AUTHORITIES);
    } else if (grid_libcurl_ca_folder()) {
        SET(bundle, NULL);
    }
}

static void set_connection(CURL *easy, const grid_exchange *exchange, CURLcode *code)
{
    bool may_share = grid_options_may_share(exchange);

    SET(CURLOPT_HTTP_VERSION, may_share ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_SSL_VERIFYPEER, exchange->insecure_skip_tls_verify ? 0L : 1L);
    SET(CURLOPT_SSL_VERIFYHOST, exchange->insecure_skip_tls_verify ? 0L : 2L);
    set_authorities(easy, exchange, CURLOPT_CAINFO, CURLOPT_CAPATH, code);
}

/* The connection to a proxy may use TLS. */
static void set_proxy(CURL *easy, const grid_exchange *exchange, CURLcode *code)
{
    if (exchange->proxy || !is_tls(exchange)) { /* http URLs have loopback addresses */
        SET(CURLOPT_PROXY, exchange->proxy ? exchange->proxy : "");
        SET(CURLOPT_NOPROXY, ""); /* nor $no_proxy */
    }
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_PROXY_SSL_VERIFYPEER, exchange->insecure_skip_tls_verify ? 0L : 1L);
    SET(CURLOPT_PROXY_SSL_VERIFYHOST, exchange->insecure_skip_tls_verify ? 0L : 2L);
    set_authorities(easy, exchange, CURLOPT_PROXY_CAINFO, CURLOPT_PROXY_CAPATH, code);
}

/* RFC 9110 section 8.6: these methods send Content-Length also for an empty body.
 * Otherwise servers answer 411. */
static bool takes_content(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

static void set_request(CURL *easy, const grid_exchange *exchange, const grid_url *url, CURLcode *code)
{
    grid_slice body = exchange->body ? *exchange->body : (grid_slice){"", 0};

    SET(CURLOPT_URL, exchange->url);
    if (grid_url_parts(url))
        SET(CURLOPT_CURLU, grid_url_parts(url));
    if (exchange->body || takes_content(exchange->method)) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size);
        SET(CURLOPT_POSTFIELDS, body.data);
    }
    /* No content coding is accepted. libcurl decodes a body that has one nevertheless. */
    SET(CURLOPT_ACCEPT_ENCODING, "identity");
    if (strcmp(exchange->method, "HEAD") == 0)
        SET(CURLOPT_NOBODY, 1L);
    else if (strcmp(exchange->method, "POST") != 0)
        SET(CURLOPT_CUSTOMREQUEST, exchange->method);
}

CURLcode grid_options_set(CURL *easy, const grid_exchange *exchange, const grid_url *url, const grid_header_lines *lines)
{
    CURLcode code = CURLE_OK;

    set_limits(easy, exchange, &code);
    set_connection(easy, exchange, &code);
    set_proxy(easy, exchange, &code);
    set_request(easy, exchange, url, &code);
    set_header_lines(easy, lines, &code);
    return code;
}
