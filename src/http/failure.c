#include "http/failure.h"

#include <string.h>

typedef struct failure {
    CURLcode curl;
    grid_kind kind;
    const char *code;
} failure;

static const failure failures[] = {
    {CURLE_UNSUPPORTED_PROTOCOL, GRID_REQUEST, "bad_url"},
    {CURLE_URL_MALFORMAT, GRID_REQUEST, "bad_url"},
    {CURLE_OUT_OF_MEMORY, GRID_REQUEST, "out_of_memory"},
    {CURLE_COULDNT_RESOLVE_PROXY, GRID_NETWORK, "resolve_failed"},
    {CURLE_COULDNT_RESOLVE_HOST, GRID_NETWORK, "resolve_failed"},
    {CURLE_COULDNT_CONNECT, GRID_NETWORK, "connect_failed"},
    {CURLE_PROXY, GRID_NETWORK, "proxy_failed"},
    {CURLE_GOT_NOTHING, GRID_NETWORK, "connection_lost"},
    {CURLE_SEND_ERROR, GRID_NETWORK, "connection_lost"},
    {CURLE_RECV_ERROR, GRID_NETWORK, "connection_lost"},
    {CURLE_PARTIAL_FILE, GRID_NETWORK, "connection_lost"},
    {CURLE_HTTP2, GRID_NETWORK, "connection_lost"},
    {CURLE_HTTP2_STREAM, GRID_NETWORK, "connection_lost"},
    {CURLE_SSL_CONNECT_ERROR, GRID_TLS, "handshake_failed"},
    {CURLE_PEER_FAILED_VERIFICATION, GRID_TLS, "certificate_refused"},
    {CURLE_SSL_CACERT_BADFILE, GRID_TLS, "bad_ca_file"},
    {CURLE_SSL_CIPHER, GRID_TLS, "handshake_failed"},
    {CURLE_SSL_ENGINE_INITFAILED, GRID_TLS, "handshake_failed"},
    {CURLE_WEIRD_SERVER_REPLY, GRID_PROTOCOL, "bad_http"},
    {CURLE_BAD_CONTENT_ENCODING, GRID_PROTOCOL, "bad_encoding"},
};

static const failure *find(CURLcode code)
{
    static const failure unknown = {CURLE_OK, GRID_NETWORK, "transfer_failed"};
    size_t i;

    for (i = 0; i < sizeof failures / sizeof failures[0]; i++)
        if (failures[i].curl == code)
            return &failures[i];
    return &unknown;
}

/* libcurl quotes a proxy's address that it cannot read, with the password in it. */
static bool quotes_proxy(const char *detail)
{
    static const char beginning[] = "Unsupported proxy";

    return strncmp(detail, beginning, sizeof beginning - 1) == 0;
}

/* libcurl quotes what a peer said now and then: one line of printable text is what may pass. */
static void make_one_line(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text == 0x7f)
            *text = ' ';
}

void grid_failure_describe(grid_error *err, CURLcode code, const char *detail)
{
    const failure *known = find(code);

    if (quotes_proxy(detail)) {
        grid_error_set(err, GRID_REQUEST, "bad_proxy", "the proxy's address is none that libcurl takes");
        return;
    }
    grid_error_set(err, known->kind, known->code, "%s",
                   detail[0] ? detail : curl_easy_strerror(code));
    make_one_line(err->message);
}
