#include "http/failure.h"

#include "http/descriptors.h"
#include "http/libcurl.h"
#include "http/tls.h"

#include <string.h>

typedef struct failure {
    CURLcode curl;
    grid_kind kind;
    const char *code;
    bool of_opening; /* a connection: not about a request that was sent */
} failure;

static const failure failures[] = {
    {CURLE_UNSUPPORTED_PROTOCOL, GRID_REQUEST, "bad_url", false},
    {CURLE_URL_MALFORMAT, GRID_REQUEST, "bad_url", false},
    {CURLE_OUT_OF_MEMORY, GRID_REQUEST, "out_of_memory", true},
    {CURLE_COULDNT_RESOLVE_PROXY, GRID_NETWORK, "resolve_failed", true},
    {CURLE_COULDNT_RESOLVE_HOST, GRID_NETWORK, "resolve_failed", true},
    {CURLE_COULDNT_CONNECT, GRID_NETWORK, "connect_failed", true},
    {CURLE_PROXY, GRID_NETWORK, "proxy_failed", true},
    {CURLE_GOT_NOTHING, GRID_NETWORK, "connection_lost", false},
    {CURLE_SEND_ERROR, GRID_NETWORK, "connection_lost", false},
    {CURLE_RECV_ERROR, GRID_NETWORK, "connection_lost", false},
    {CURLE_PARTIAL_FILE, GRID_NETWORK, "connection_lost", false},
    {CURLE_HTTP2, GRID_NETWORK, "connection_lost", false},
    {CURLE_HTTP2_STREAM, GRID_NETWORK, "connection_lost", false},
    {CURLE_SSL_CONNECT_ERROR, GRID_TLS, "handshake_failed", true},
    {CURLE_PEER_FAILED_VERIFICATION, GRID_TLS, "certificate_refused", true},
    {CURLE_SSL_CACERT_BADFILE, GRID_TLS, "bad_ca_file", true},
    {CURLE_SSL_CIPHER, GRID_TLS, "handshake_failed", true},
    {CURLE_SSL_ENGINE_INITFAILED, GRID_TLS, "handshake_failed", true},
    {CURLE_WEIRD_SERVER_REPLY, GRID_PROTOCOL, "bad_http", false},
    {CURLE_BAD_CONTENT_ENCODING, GRID_PROTOCOL, "bad_encoding", false},
};

static const failure *find(CURLcode code)
{
    static const failure unknown = {CURLE_OK, GRID_NETWORK, "transfer_failed", false};
    size_t i;

    for (i = 0; i < sizeof failures / sizeof failures[0]; i++)
        if (failures[i].curl == code)
            return &failures[i];
    return &unknown;
}

/* libcurl quotes the address of a proxy if it cannot be parsed, including its
 * password. */
static bool quotes_proxy(const char *detail)
{
    static const char beginning[] = "Unsupported proxy";

    return strncmp(detail, beginning, sizeof beginning - 1) == 0;
}

/* Replaces control characters, since libcurl quotes the peer in some messages. */
static void make_one_line(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text == 0x7f)
            *text = ' ';
}

/* "SSL certificate problem: …", in 8.22 "SSL certificate OpenSSL verify result: …". The
 * text is another one if the certificate is that of another host. */
static const char *remedy(CURLcode code, const char *detail)
{
    static const char beginning[] = "SSL certificate ";
    bool is_untrusted = code == CURLE_PEER_FAILED_VERIFICATION && strncmp(detail, beginning, sizeof beginning - 1) == 0;

    return is_untrusted ? "; check the clock, and that ca_file has the authority of the server" : "";
}

static void describe_code(grid_error *err, CURLcode code, const char *detail)
{
    const failure *known = find(code);

    if (quotes_proxy(detail)) {
        grid_error_set(err, GRID_REQUEST, "bad_proxy", "libcurl cannot parse the proxy's address");
        return;
    }
    grid_error_set(err, known->kind, known->code, "%s%s", detail[0] ? detail : curl_easy_strerror(code),
                   remedy(code, detail));
    make_one_line(err->message);
}

static void describe_timeout(grid_error *err, const grid_ending *ending)
{
    bool is_answered = ending->status >= 200;

    grid_error_set(err, GRID_TIMEOUT, ending->is_sent ? "timeout" : "connect_timeout", "%s in %.3f seconds",
                   is_answered ? "no whole answer" : ending->is_sent ? "no answer" : "no connection", ending->seconds);
}

/* CURLE_TOO_LARGE. libcurl before 8.6 reports CURLE_OUT_OF_MEMORY, and a trailer that
 * is too large by the text below. */
static const CURLcode TOO_LARGE = (CURLcode)100;

static bool is_too_large(const grid_ending *ending)
{
    bool is_out_of_memory = ending->code == CURLE_OUT_OF_MEMORY && ending->is_sent;

    return ending->code == TOO_LARGE || (is_out_of_memory && !grid_libcurl_reports_too_large()) ||
           strcmp(ending->detail, "Out of memory in chunked-encoding") == 0;
}

/* For CURLE_RECV_ERROR and CURLE_HTTP2 the text of libcurl shows whether reading or
 * parsing failed: of a chunk, as "Malformed encoding found in chunked-encoding" or "chunk
 * hex-length longer than 16"; or of HTTP/2, by nghttp2. */
static bool is_unparsable(const grid_ending *ending)
{
    return (ending->code == CURLE_RECV_ERROR || ending->code == CURLE_HTTP2) &&
           (strstr(ending->detail, "chunk") || strstr(ending->detail, "nghttp2_session_mem_recv() returned") ||
            strstr(ending->detail, "nghttp2 recv error") || strstr(ending->detail, "nghttp2 shuts down connection"));
}

/* After the request was sent, these codes are about the answer: HTTP/0.9; a folded line
 * before the first field (libcurl 7.83 to 8.x), or in trailers. */
static bool is_about_the_answer(const grid_ending *ending)
{
    bool is_either = ending->code == CURLE_UNSUPPORTED_PROTOCOL || ending->code == CURLE_BAD_FUNCTION_ARGUMENT;

    return ending->is_sent && (is_either || is_unparsable(ending));
}

/* libcurl could not read a CA file, and now the file can be read: descriptors have become
 * free since. The texts are "error setting certificate file: PATH" and, in 8.22, "error
 * adding trust anchors from file: PATH". The code may be that of a failed handshake,
 * since libcurl 7.88 and later read the file again, and continue if they can. */
static bool lacked_descriptor(const grid_ending *ending)
{
    static const char end[] = " file: ";
    const char *file = strncmp(ending->detail, "error ", 6) == 0 ? strstr(ending->detail, end) : NULL;

    return file && grid_tls_reads_authorities(file + sizeof end - 1);
}

/* Has libcurl failed to open a socket, a CA file, or a descriptor for the resolver? */
static bool lacks_descriptors(const grid_ending *ending)
{
    const failure *known = find(ending->code);

    return !ending->is_sent && (known->of_opening || known->kind == GRID_NETWORK) &&
           (grid_descriptors_are_used_up() || lacked_descriptor(ending));
}

/* libcurl connects once more by itself if a reused connection is lost before an answer,
 * and after HTTP_1_1_REQUIRED, which may follow an interim answer or headers. The failure
 * of the further connection is not about the request, which was sent on the first one. */
static bool is_of_further_connection(const grid_ending *ending)
{
    return ending->is_sent && find(ending->code)->of_opening;
}

bool grid_failure_breaks_connection(CURLcode code)
{
    return code == CURLE_HTTP2 || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
           code == CURLE_ABORTED_BY_CALLBACK;
}

static void describe_no_descriptor(grid_error *err)
{
    grid_error_set(err, GRID_REQUEST, "no_descriptor",
                   "no file descriptor is left: close files, make fewer calls at once, or raise the limit (ulimit -n)");
}

/* The meaning of some codes depends on whether the request was sent. */
void grid_failure_describe(grid_error *err, const grid_ending *ending)
{
    if (ending->proxy_status)
        grid_error_set(err, GRID_NETWORK, "proxy_failed", "the proxy refused with status %ld", ending->proxy_status);
    else if (ending->is_refused && ending->status < 200)
        grid_error_set(err, GRID_NETWORK, "stream_refused",
                       "the server refused the HTTP/2 stream and did not process the request: send it again");
    else if (ending->code == CURLE_OPERATION_TIMEDOUT)
        describe_timeout(err, ending);
    else if (is_too_large(ending))
        grid_error_set(err, GRID_PROTOCOL, "headers_too_large",
                       "a header line of the answer is longer than libcurl takes, or memory ran out");
    else if (is_about_the_answer(ending))
        describe_code(err, CURLE_WEIRD_SERVER_REPLY, ending->detail);
    else if (is_of_further_connection(ending))
        describe_code(err, CURLE_GOT_NOTHING, ending->detail);
    else if (lacks_descriptors(ending))
        describe_no_descriptor(err);
    else
        describe_code(err, ending->code, ending->detail);
}

bool grid_failure_not_started(grid_error *err, CURLMcode code)
{
    if (grid_descriptors_are_used_up()) {
        describe_no_descriptor(err);
        return false;
    }
    return grid_error_set(err, GRID_REQUEST, "not_started", "%s", curl_multi_strerror(code));
}
