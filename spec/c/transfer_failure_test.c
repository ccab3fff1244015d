/* One exchange with a server in the same loop: what times out, breaks off, or makes no
 * sense. */
#include "transfer_support.h"

#include "http/failure.h"
#include "http/libcurl.h"

#include <stdint.h>

/* A request that went out may have been executed, whatever became of the connection that
 * libcurl opened after it. */
static void the_failure_of_a_further_connection_is_a_lost_one(void)
{
    static const CURLcode codes[] = {CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT, CURLE_PROXY,
                                     CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE,
                                     CURLE_OUT_OF_MEMORY /* the last one: see below */};
    size_t count = sizeof codes / sizeof codes[0];

    if (!grid_libcurl_reports_too_large()) /* the code is also that of a header line */
        count--;
    for (size_t i = 0; i < count; i++) {
        grid_ending ending = {.code = codes[i], .detail = "libcurl's text", .is_sent = true};
        grid_error err;

        grid_failure_describe(&err, &ending);
        CHECK(err.kind == GRID_NETWORK);
        CHECK_STR(err.code, "connection_lost");
        CHECK_STR(err.message, "libcurl's text");
        ending.is_sent = false;
        grid_failure_describe(&err, &ending);
        CHECK(strcmp(err.code, "connection_lost") != 0);
    }
}

static void run_to_any_end(void)
{
    grid_transfer_free(run_get());
}

static void an_answer_that_does_not_come_times_out(void)
{
    grid_exchange exchange = exchange_with(server.port, "GET");
    grid_transfer *transfer;

    loopback_answer(&server, NULL, LOOPBACK_KEEP);
    exchange.timeout = 0.5;
    transfer = run(&exchange);
    CHECK_INT(server.executed, 1);
    CHECK(grid_transfer_timing(transfer).total >= 0.5);
    fails_like(transfer, GRID_TIMEOUT, "timeout", GRID_SENT_UNKNOWN);
}

static void an_answer_that_drips_times_out_and_what_came_is_kept(void)
{
    grid_exchange exchange = exchange_with(server.port, "GET");
    grid_transfer *transfer;

    loopback_answer(&server, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n0123456789", LOOPBACK_DRIP);
    exchange.timeout = 0.5;
    transfer = run(&exchange);
    body_is(transfer, "0123456789");
    fails_like(transfer, GRID_TIMEOUT, "timeout", GRID_SENT_YES);
}

/* A listener whose queue is full answers no SYN. */
static void a_connection_that_does_not_come_times_out_unsent(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), filling[4];
    grid_exchange exchange;

    CHECK(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 0) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
    for (int i = 0; i < 4; i++) {
        filling[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(filling[i], (struct sockaddr *)&address, size);
    }
    exchange = exchange_with(ntohs(address.sin_port), "POST");
    exchange.connect_timeout = 0.1;
    fails_like(run(&exchange), GRID_TIMEOUT, "connect_timeout", GRID_SENT_NO);
    exchange.connect_timeout = 10;
    exchange.timeout = 0.1;
    fails_like(run(&exchange), GRID_TIMEOUT, "connect_timeout", GRID_SENT_NO);
    for (int i = 0; i < 4; i++)
        close(filling[i]);
    close(listener);
}

static void limits_beyond_all_clocks_are_none(void)
{
    static const double far[] = {1e9, 1e15, 1e300};
    grid_error err;

    for (int i = 0; i < 3; i++) {
        grid_exchange exchange = exchange_with(server.port, "GET");
        grid_transfer *transfer;

        loopback_answer(&server, LOOPBACK_OK, LOOPBACK_KEEP);
        exchange.timeout = exchange.connect_timeout = far[i];
        exchange.max_response_bytes = SIZE_MAX;
        transfer = run(&exchange);
        CHECK(grid_transfer_succeeded(transfer, &err));
        body_is(transfer, "hi");
        grid_transfer_free(transfer);
    }
}

/* ---- Faults ------------------------------------------------------------------------ */

static void a_refused_connection_was_never_sent(void)
{
    loopback closed;
    grid_exchange exchange;

    loopback_open(&closed);
    loopback_close(&closed);
    exchange = exchange_with(closed.port, "POST");
    fails_like(run(&exchange), GRID_NETWORK, "connect_failed", GRID_SENT_NO);
}

static void a_lost_answer_leaves_it_unknown(void)
{
    static const char *const lost[] = {"", "HTTP/1.1", "HTTP/1.1 100 Continue\r\n\r\n"};

    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
        loopback_answer(&server, lost[i], LOOPBACK_CLOSE);
        fails_like(run_get(), GRID_NETWORK, "connection_lost", GRID_SENT_UNKNOWN);
    }
}

static void a_broken_body_keeps_what_came(void)
{
    grid_transfer *transfer;

    loopback_answer(&server, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234", LOOPBACK_CLOSE);
    transfer = run_get();
    body_is(transfer, "01234");
    fails_like(transfer, GRID_NETWORK, "connection_lost", GRID_SENT_YES);
}

/* The bytes that came decode to as many as Content-Length announces in the coding. */
static void a_body_in_a_coding_that_breaks_off_is_no_answer(void)
{
    grid_transfer *transfer;

    loopback_answer(&server,
                    "HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: 20\r\n\r\n\x78\xda\xaa\xa8\xc0\x04",
                    LOOPBACK_CLOSE);
    transfer = run_get();
    body_is(transfer, "xxxxxxxxxxxxxxxxxxxx");
    fails_like(transfer, GRID_NETWORK, "connection_lost", GRID_SENT_YES);
}

static void what_is_no_http_is_no_answer(void)
{
    static const char *const garbage[] = {"SSH-2.0-OpenSSH_9.2\r\n",
                                          "{\"error\":1}",
                                          "\r\n\r\n\r\n",
                                          "HTTP/9.9 what\r\n\r\n",
                                          "HTTP/1.1 000 Nothing\r\nContent-Length: 2\r\n\r\nhi",
                                          "HTTP/1.1 99 Few\r\nContent-Length: 2\r\n\r\nhi",
                                          "HTTP/1.1 1000 Many\r\nContent-Length: 2\r\n\r\nhi"};

    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        loopback_answer(&server, garbage[i], LOOPBACK_CLOSE);
        fails_like(run_get(), GRID_PROTOCOL, "bad_http", GRID_SENT_UNKNOWN);
    }
}

static void an_interim_status_is_no_answer_even_with_a_body(void)
{
    loopback_answer(&server, "HTTP/1.1 101 Switching Protocols\r\nContent-Length: 2\r\n\r\nhi", LOOPBACK_CLOSE);
    fails_like(run_get(), GRID_PROTOCOL, "bad_http", GRID_SENT_UNKNOWN);
}

/* curl issue 11101: the fold was written to the last header of the handle's transfer
 * before. */
static void headers_that_begin_with_a_fold_do_no_harm(void)
{
    for (int i = 0; i < 3; i++) {
        loopback_answer(&server, "HTTP/1.1 200 OK\r\n folded: onto nothing\r\nContent-Length: 2\r\n\r\nhi", LOOPBACK_CLOSE);
        run_to_any_end();
        loopback_answer(&server, "HTTP/1.1 200 OK\r\nX: y\r\n and: more\r\nContent-Length: 2\r\n\r\nhi", LOOPBACK_KEEP);
        run_to_any_end();
    }
}

/* A body cannot end so; what it ends as is libcurl's to say, but it ends. */
static void framing_that_makes_no_sense_does_no_harm(void)
{
    static const char *const odd[] = {"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                                      "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhi",
                                      "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nHTTP/1.1 500 x\r\n\r\n",
                                      "Content-Length: -5\r\n\r\nhi", "Content-Length: 99999999999999999999999\r\n\r\nhi",
                                      "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi", "Content-Encoding: gzip\r\n\r\nhi"};
    char answer[200];

    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\n%s", odd[i]);
        loopback_answer(&server, answer, LOOPBACK_CLOSE);
        run_to_any_end();
    }
}

/* A reused connection that dies is where libcurl would send again; over HTTP/2, and
 * counted by a server of its own, in spec/at_most_once_spec.lua. */
static void what_was_handed_over_is_not_sent_again(void)
{
    grid_exchange exchange = exchange_with(server.port, "POST");
    grid_slice body = text_slice("{}");

    loopback_answer(&server, LOOPBACK_OK, LOOPBACK_KEEP);
    grid_transfer_free(run_get());
    loopback_answer(&server, "", LOOPBACK_CLOSE);
    exchange.body = &body;
    fails_like(run(&exchange), GRID_NETWORK, "connection_lost", GRID_SENT_UNKNOWN);
    CHECK_INT(server.executed, 1);
    /* Libcurl may connect anew, as 7.88 does and 7.81 does not: it is stopped there. */
    CHECK(server.accepted <= 1);
}

static void a_certificate_that_cannot_be_read_is_named(void)
{
    grid_exchange exchange = exchange_with(server.port, "GET");
    char url[64];

    snprintf(url, sizeof url, "https://127.0.0.1:%d/", server.port);
    exchange.url = url;
    exchange.ca_file = "/nonexistent/ca.pem";
    fails_like(run(&exchange), GRID_TLS, "bad_ca_file", GRID_SENT_NO);
}

static void a_server_without_tls_is_a_failed_handshake(void)
{
    grid_exchange exchange = exchange_with(server.port, "GET");
    grid_transfer *transfer;
    grid_error err = {.code = ""};
    char url[64];

    snprintf(url, sizeof url, "https://127.0.0.1:%d/", server.port);
    loopback_answer(&server, "HTTP/1.1 400 Bad Request\r\n\r\n", LOOPBACK_CLOSE);
    exchange.url = url;
    exchange.timeout = 0.5; /* the server waits for a request that makes sense to it */
    transfer = run(&exchange);
    CHECK(!grid_transfer_succeeded(transfer, &err));
    CHECK_INT(grid_transfer_sent(transfer), GRID_SENT_NO);
    grid_transfer_free(transfer);
}

int main(void)
{
    long before = grid_alloc_live();

    if (!begin())
        return check_report();
    an_answer_that_does_not_come_times_out();
    an_answer_that_drips_times_out_and_what_came_is_kept();
    a_connection_that_does_not_come_times_out_unsent();
    limits_beyond_all_clocks_are_none();
    a_refused_connection_was_never_sent();
    a_lost_answer_leaves_it_unknown();
    a_broken_body_keeps_what_came();
    a_body_in_a_coding_that_breaks_off_is_no_answer();
    what_is_no_http_is_no_answer();
    an_interim_status_is_no_answer_even_with_a_body();
    headers_that_begin_with_a_fold_do_no_harm();
    framing_that_makes_no_sense_does_no_harm();
    what_was_handed_over_is_not_sent_again();
    the_failure_of_a_further_connection_is_a_lost_one();
    a_certificate_that_cannot_be_read_is_named();
    a_server_without_tls_is_a_failed_handshake();
    return end(before);
}
