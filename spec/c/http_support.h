/* What the tests of the http room share: one engine, one server beside it, and a loop
 * that moves both. */
#ifndef GRID_SPEC_HTTP_SUPPORT_H
#define GRID_SPEC_HTTP_SUPPORT_H

#include "check.h"
#include "loopback.h"

#include "base/alloc.h"
#include "http/clock.h"
#include "http/transfer.h"

static inline grid_slice text_slice(const char *text)
{
    return (grid_slice){text, strlen(text)};
}

/* Seconds for what must happen: longer than a busy machine takes under valgrind. */
enum { PATIENCE = 60 };

/* An exchange that a test then changes. The URL lives in a static place: one at a
 * time. */
static inline grid_exchange exchange_with(int port, const char *method)
{
    static char url[64];

    snprintf(url, sizeof url, "http://127.0.0.1:%d/path", port);
    return (grid_exchange){.method = method,
                           .url = url,
                           .timeout = PATIENCE,
                           .connect_timeout = PATIENCE,
                           .max_response_bytes = 1 << 20,
                           .proxy = ""};
}

/* Moves both until the transfer has finished. False: it has not. */
static inline bool finishes(grid_engine *engine, loopback *server, const grid_transfer *transfer)
{
    double end = grid_clock_now() + PATIENCE;

    while (!grid_transfer_is_finished(transfer) && grid_clock_now() < end) {
        grid_engine_step(engine);
        if (server)
            loopback_step(server);
        grid_engine_wait(engine, 0.001);
        grid_engine_step(engine);
    }
    return grid_transfer_is_finished(transfer);
}

static inline grid_transfer *start(grid_engine *engine, const grid_exchange *exchange)
{
    grid_error err = {.code = ""};
    grid_transfer *transfer = grid_transfer_start(engine, exchange, &err);

    if (!CHECK(transfer != NULL))
        printf("    %s: %s\n", err.code, err.message);
    return transfer;
}

static inline bool check_success(const grid_transfer *transfer)
{
    grid_error err = {.code = ""};
    bool succeeded = CHECK(grid_transfer_succeeded(transfer, &err));

    if (!succeeded)
        printf("    %s: %s\n", err.code, err.message);
    return succeeded;
}

static inline bool body_is(const grid_transfer *transfer, const char *want)
{
    grid_slice body = grid_transfer_body(transfer);

    return CHECK_MEM(body.data, body.size, want, strlen(want));
}

/* The transfer failed like this. */
static inline void check_failure(const grid_transfer *transfer, grid_kind kind, const char *code, grid_sent sent)
{
    grid_error err = {.code = ""};

    CHECK(!grid_transfer_succeeded(transfer, &err));
    CHECK_STR(grid_kind_name(err.kind), grid_kind_name(kind));
    CHECK_STR(err.code, code);
    CHECK(err.message[0] != '\0');
    CHECK_INT(grid_transfer_sent(transfer), sent);
}

#endif
