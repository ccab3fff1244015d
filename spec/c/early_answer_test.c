/* A peer that speaks before it is asked, on a new connection in the clear: nothing is
 * sent to it, and its bytes are no answer. */
#include "transfer_support.h"

static void speak(const char *text)
{
    CHECK(send(server.connections[0].fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

/* Starts a transfer, and steps until it has a connection. */
static grid_transfer *connect_only(void)
{
    grid_exchange exchange = exchange_with(server.port, "POST");
    grid_transfer *transfer = start(engine, &exchange);

    for (loopback_accept(&server); !server.accepted; loopback_accept(&server))
        grid_engine_step(engine);
    return transfer;
}

static void an_answer_to_no_request_is_none(void)
{
    grid_transfer *transfer;

    loopback_answer(&server, LOOPBACK_OK, LOOPBACK_KEEP);
    transfer = connect_only();
    if (grid_transfer_sent(transfer) == GRID_SENT_NO) { /* 7.81 connects and sends in one call */
        speak("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        CHECK(finishes(engine, &server, transfer));
        check_failure(transfer, GRID_PROTOCOL, "bad_http", GRID_SENT_NO);
        CHECK_INT(server.executed, 0);
        CHECK_INT(server.accepted, 1);
    }
    grid_transfer_free(transfer);
}

static void a_peer_that_waits_is_asked_afterwards(void)
{
    grid_transfer *transfer = run_get();

    check_success(transfer);
    CHECK(body_is(transfer, "hi"));
    grid_transfer_free(transfer);
}

int main(void)
{
    long before = grid_alloc_live();

    if (!begin())
        return check_report();
    an_answer_to_no_request_is_none();
    a_peer_that_waits_is_asked_afterwards();
    return end(before);
}
