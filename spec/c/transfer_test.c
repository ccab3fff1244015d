/* One exchange with a server in the same loop: the request, the answer, and the result
 * of each limit and fault. */
#include "transfer_support.h"


/* ---- The request ----------------------------------------------------------------- */

static void a_post_goes_out_as_it_was_given(void)
{
    grid_exchange exchange = exchange_with(server.port, "POST");
    grid_slice headers[] = {text_slice("X-One: 1"), text_slice("Content-Type: application/json"),
                            text_slice("User-Agent: tests/1")};
    grid_slice body = text_slice("{\"a\":1}");
    grid_transfer *transfer;
    grid_error err;

    loopback_answer(&server, LOOPBACK_OK, LOOPBACK_KEEP);
    exchange.headers = headers;
    exchange.header_count = 3;
    exchange.body = &body;
    transfer = run(&exchange);
    CHECK(grid_transfer_succeeded(transfer, &err));
    CHECK(strncmp(server.last_request, "POST /path HTTP/1.1\r\n", 21) == 0);
    CHECK(strstr(server.last_request, "\r\nX-One: 1\r\n") != NULL);
    CHECK(strstr(server.last_request, "\r\nContent-Type: application/json\r\n") != NULL);
    CHECK(strstr(server.last_request, "\r\nContent-Length: 7\r\n") != NULL);
    CHECK(strstr(server.last_request, "\r\nUser-Agent: tests/1\r\n") != NULL);
    CHECK(strstr(server.last_request, "Expect") == NULL);
    CHECK_STR(strstr(server.last_request, "\r\n\r\n") + 4, "{\"a\":1}");
    grid_transfer_free(transfer);
}

static void every_method_goes_out_under_its_name(void)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    grid_slice body = text_slice("{}");

    loopback_answer(&server, "HTTP/1.1 204 No Content\r\n\r\n", LOOPBACK_KEEP);
    for (size_t i = 0; i < 2 * sizeof methods / sizeof methods[0]; i++) {
        const char *method = methods[i / 2];
        bool with_body = i % 2 && i / 2 > 1;
        grid_exchange exchange = exchange_with(server.port, method);
        grid_transfer *transfer;
        grid_error err;

        exchange.body = with_body ? &body : NULL;
        transfer = run(&exchange);
        CHECK(grid_transfer_succeeded(transfer, &err));
        CHECK_INT(grid_transfer_headers(transfer)->status, 204);
        CHECK(strncmp(server.last_request, method, strlen(method)) == 0);
        CHECK_STR(strstr(server.last_request, "\r\n\r\n") + 4, with_body ? "{}" : "");
        grid_transfer_free(transfer);
    }
}

static void refused_at_the_start(const grid_exchange *exchange, const char *code)
{
    grid_error err = {.code = ""};

    CHECK(grid_transfer_start(engine, exchange, &err) == NULL);
    CHECK_INT(err.kind, GRID_REQUEST);
    CHECK_STR(err.code, code);
    CHECK_INT(grid_engine_in_flight(engine), 0);
}

static void what_could_smuggle_a_header_never_goes_out(void)
{
    grid_exchange exchange = exchange_with(server.port, "GET");
    grid_slice bad = text_slice("X: a\r\nEvil: 1");

    loopback_answer(&server, LOOPBACK_OK, LOOPBACK_KEEP);
    exchange.headers = &bad;
    exchange.header_count = 1;
    refused_at_the_start(&exchange, "bad_header");
    CHECK_INT(server.executed, 0);
}

static void only_http_goes_out(void)
{
    static const char *const urls[] = {"file:///etc/hostname", "ftp://127.0.0.1/", "gopher://127.0.0.1/",
                                       "", "http://", "nonsense:"};

    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        grid_exchange exchange = exchange_with(server.port, "GET");
        exchange.url = urls[i];
        fails_like(run(&exchange), GRID_REQUEST, "bad_url", GRID_SENT_NO);
    }
}

/* ---- The answer ----------------------------------------------------------------- */

static void an_answer_comes_in_whole(void)
{
    grid_transfer *transfer;
    grid_slice name, value;
    grid_error err;
    size_t at = 0;

    loopback_answer(&server,
                    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                    "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nh\0llo", LOOPBACK_KEEP);
    server.answer_size += 4; /* past the NUL */
    transfer = run_get();
    CHECK(grid_transfer_succeeded(transfer, &err));
    CHECK_INT(grid_transfer_sent(transfer), GRID_SENT_YES);
    CHECK_INT(grid_transfer_headers(transfer)->status, 429);
    CHECK_MEM(grid_transfer_body(transfer).data, grid_transfer_body(transfer).size, "h\0llo", 5);
    CHECK(grid_transfer_retry_after(transfer) == 7);
    CHECK_INT(grid_transfer_timing(transfer).http_version, 11);
    CHECK(grid_headers_next(grid_transfer_headers(transfer), &at, &name, &value));
    CHECK_MEM(name.data, name.size, "Retry-After", 11);
    grid_transfer_free(transfer);
}

static void an_answer_without_a_retry_after_says_so(void)
{
    static const char *const answers[] = {LOOPBACK_OK, "HTTP/1.1 503 x\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n"};

    for (int i = 0; i < 2; i++) {
        grid_transfer *transfer;
        loopback_answer(&server, answers[i], LOOPBACK_KEEP);
        transfer = run_get();
        CHECK(grid_transfer_retry_after(transfer) < 0);
        grid_transfer_free(transfer);
    }
}

static void a_redirect_is_an_answer(void)
{
    grid_transfer *transfer;
    grid_error err;

    loopback_answer(&server, "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n", LOOPBACK_KEEP);
    transfer = run_get();
    CHECK(grid_transfer_succeeded(transfer, &err));
    CHECK_INT(grid_transfer_headers(transfer)->status, 302);
    CHECK_INT(server.executed, 1);
    grid_transfer_free(transfer);
}

static void a_connection_is_used_again(void)
{
    loopback_answer(&server, LOOPBACK_OK, LOOPBACK_CLOSE);
    grid_transfer_free(run_get());
    loopback_answer(&server, LOOPBACK_OK, LOOPBACK_KEEP);
    for (int i = 0; i < 3; i++) {
        grid_transfer *transfer = run_get();
        grid_timing timing = grid_transfer_timing(transfer);
        CHECK(i > 0 ? timing.connect == 0 : timing.connect > 0);
        CHECK(timing.total > 0);
        body_is(transfer, "hi");
        grid_transfer_free(transfer);
    }
    CHECK_INT(server.accepted, 1);
    CHECK_INT(server.executed, 3);
}

/* ---- Limits ------------------------------------------------------------------------ */

static void a_body_may_be_as_long_as_the_limit_and_not_longer(void)
{
    for (size_t limit = 0; limit <= 12; limit++) {
        grid_exchange exchange = exchange_with(server.port, "GET");
        grid_transfer *transfer;
        grid_error err;

        loopback_answer(&server, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", LOOPBACK_KEEP);
        exchange.max_response_bytes = limit;
        transfer = run(&exchange);
        CHECK_MEM(grid_transfer_body(transfer).data, grid_transfer_body(transfer).size, "0123456789", limit < 10 ? limit : 10);
        if (limit < 10)
            check_failure(transfer, GRID_PROTOCOL, "body_too_large", GRID_SENT_YES);
        else
            CHECK(grid_transfer_succeeded(transfer, &err));
        CHECK_INT(grid_transfer_headers(transfer)->status, 200);
        grid_transfer_free(transfer);
    }
}

static void a_body_without_end_ends_at_the_limit(void)
{
    static char answer[200000];
    grid_exchange exchange = exchange_with(server.port, "GET");
    grid_transfer *transfer;

    memset(answer, 'x', sizeof answer - 1);
    memcpy(answer, "HTTP/1.1 200 OK\r\n\r\n", 19);
    loopback_answer(&server, answer, LOOPBACK_CLOSE);
    exchange.max_response_bytes = 70001;
    transfer = run(&exchange);
    CHECK_INT(grid_transfer_body(transfer).size, 70001);
    fails_like(transfer, GRID_PROTOCOL, "body_too_large", GRID_SENT_YES);
}

static void headers_have_a_limit(void)
{
    static char answer[90000];
    size_t size = (size_t)snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\n");

    while (size < GRID_HEADERS_MAX_BYTES + 1000)
        size += (size_t)snprintf(answer + size, sizeof answer - size, "X-%zu: %0500d\r\n", size, 0);
    snprintf(answer + size, sizeof answer - size, "Content-Length: 0\r\n\r\n");
    loopback_answer(&server, answer, LOOPBACK_KEEP);
    fails_like(run_get(), GRID_PROTOCOL, "headers_too_large", GRID_SENT_YES);
}

static void headers_that_break_off_are_no_answer(void)
{
    static const char *const answers[] = {"HTTP/1.1 204 No Content\r\nX-Requ", "HTTP/1.1 200 OK\r\n",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"};
    size_t i;

    for (i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        loopback_answer(&server, answers[i], LOOPBACK_CLOSE);
        fails_like(run_get(), GRID_NETWORK, "connection_lost", GRID_SENT_YES);
    }
}

static void trailers_are_no_break(void)
{
    grid_transfer *transfer;

    loopback_answer(&server,
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n", LOOPBACK_KEEP);
    transfer = run_get();
    check_success(transfer);
    body_is(transfer, "hi");
    grid_transfer_free(transfer);
}
int main(void)
{
    long before = grid_alloc_live();

    if (!begin())
        return check_report();
    a_post_goes_out_as_it_was_given();
    every_method_goes_out_under_its_name();
    what_could_smuggle_a_header_never_goes_out();
    only_http_goes_out();
    an_answer_comes_in_whole();
    an_answer_without_a_retry_after_says_so();
    a_redirect_is_an_answer();
    a_connection_is_used_again();
    a_body_may_be_as_long_as_the_limit_and_not_longer();
    a_body_without_end_ends_at_the_limit();
    headers_have_a_limit();
    headers_that_break_off_are_no_answer();
    trailers_are_no_break();
    return end(before);
}
