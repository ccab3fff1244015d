/* Answers that are broken in what libcurl reads of them: chunks, lengths, status lines,
 * and lines that are longer than it takes. The connection holds, so they are no loss of
 * it, and neither is what it does to the connection afterwards. */
#include "http_support.h"

static loopback server;

static void fails_like(const char *answer, loopback_then then, const char *code, grid_sent sent)
{
    grid_error err;
    grid_engine *engine = grid_engine_new(NULL, &err);
    grid_exchange exchange = exchange_with(server.port, "POST");
    grid_transfer *transfer;

    loopback_answer(&server, answer, then);
    transfer = start(engine, &exchange);
    CHECK(finishes(engine, &server, transfer));
    check_failure(transfer, GRID_PROTOCOL, code, sent);
    CHECK_INT(server.executed, 1);
    grid_transfer_free(transfer);
    grid_engine_unref(engine);
}

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static void a_broken_chunk_makes_no_sense(void)
{
    static const char *const answers[] = {
        CHUNKED "zz\r\nhi\r\n0\r\n\r\n",
        CHUNKED "-2\r\nhi\r\n0\r\n\r\n",
        CHUNKED "\r\nhi\r\n0\r\n\r\n",
        CHUNKED "fffffffffffffffff\r\nhi\r\n0\r\n\r\n",
        CHUNKED "2\r\nhiXX0\r\n\r\n",
        CHUNKED "2\r\nhi\r\nzz\r\n\r\n",
        CHUNKED "2\r\nhi0\r\n\r\n",
        "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n",
    };

    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        fails_like(answers[i], LOOPBACK_KEEP, "bad_http", GRID_SENT_YES);
        fails_like(answers[i], LOOPBACK_CLOSE, "bad_http", GRID_SENT_YES);
    }
}

/* libcurl takes 100 KiB. */
static void a_line_that_libcurl_does_not_take_is_too_large(void)
{
    static const struct {
        const char *before, *after;
        grid_sent sent;
    } answers[] = {
        {"HTTP/1.1 200 ", "\r\nContent-Length: 0\r\n\r\n", GRID_SENT_UNKNOWN},
        {"HTTP/1.1 200 OK\r\nX: ", "\r\nContent-Length: 0\r\n\r\n", GRID_SENT_YES},
        {CHUNKED "2\r\nhi\r\n0\r\nX: ", "\r\n\r\n", GRID_SENT_YES},
    };
    static char answer[400000];

    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        snprintf(answer, sizeof answer, "%s%0350000d%s", answers[i].before, 0, answers[i].after);
        fails_like(answer, LOOPBACK_CLOSE, "headers_too_large", answers[i].sent);
    }
}

/* They are counted together with the headers of the answer itself. */
static void interim_answers_have_an_end(void)
{
    static const char bare[] = "HTTP/1.1 100 Continue\r\n\r\n", full[] = "HTTP/1.1 103 Early Hints\r\nX: %0900d\r\n\r\n";
    static char answer[400000];
    size_t size = 0;

    while (size < sizeof answer - sizeof bare)
        size += (size_t)snprintf(answer + size, sizeof answer - size, bare);
    fails_like(answer, LOOPBACK_CLOSE, "headers_too_large", GRID_SENT_UNKNOWN);
    for (size = 0; size < sizeof answer - 1000;)
        size += (size_t)snprintf(answer + size, sizeof answer - size, full, 0);
    fails_like(answer, LOOPBACK_CLOSE, "headers_too_large", GRID_SENT_UNKNOWN);
}

/* RFC 9112 6.3: nor may the connection be used again. */
static void two_lengths_make_no_sense(void)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nA: b\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: 2hi\r\n\r\nhi",
    };
    grid_error err;
    grid_engine *engine = grid_engine_new(NULL, &err);
    grid_exchange exchange = exchange_with(server.port, "POST");

    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        loopback_answer(&server, answers[i], LOOPBACK_KEEP);
        for (int call = 1; call <= 2; call++) {
            grid_transfer *transfer = start(engine, &exchange);
            CHECK(finishes(engine, &server, transfer));
            check_failure(transfer, GRID_PROTOCOL, "bad_http", GRID_SENT_YES);
            CHECK_INT(server.executed, call);
            CHECK_INT(server.accepted, call);
            grid_transfer_free(transfer);
        }
    }
    grid_engine_unref(engine);
}

/* No byte of HTTP/1.1 can follow, whatever the time limit is. */
static void a_change_of_protocol_makes_no_sense(void)
{
    fails_like("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n" LOOPBACK_OK, LOOPBACK_KEEP,
               "bad_http", GRID_SENT_UNKNOWN);
}

/* As a 503 it would let an executed request be repeated, as a 100 the answer would not
 * end. */
static void a_status_of_four_digits_makes_no_sense(void)
{
    fails_like("HTTP/1.1 1000 No\r\nContent-Length: 0\r\n\r\n", LOOPBACK_KEEP, "bad_http", GRID_SENT_UNKNOWN);
    fails_like("HTTP/1.1 5030 No\r\nContent-Length: 0\r\n\r\n", LOOPBACK_KEEP, "bad_http", GRID_SENT_UNKNOWN);
}

int main(void)
{
    loopback_open(&server);
    a_broken_chunk_makes_no_sense();
    a_line_that_libcurl_does_not_take_is_too_large();
    interim_answers_have_an_end();
    two_lengths_make_no_sense();
    a_change_of_protocol_makes_no_sense();
    a_status_of_four_digits_makes_no_sense();
    loopback_close(&server);
    CHECK_INT(grid_alloc_live(), 0);
    return check_report();
}
