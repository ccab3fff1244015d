/* What the tests of transfers share: one engine, and its server in the same loop. */
#ifndef GRID_SPEC_TRANSFER_SUPPORT_H
#define GRID_SPEC_TRANSFER_SUPPORT_H

#include "http_support.h"

static grid_engine *engine;
static loopback server;

/* Starts, finishes, and gives back the transfer, for the caller to free. */
static inline grid_transfer *run(const grid_exchange *exchange)
{
    grid_transfer *transfer = start(engine, exchange);

    CHECK(finishes(engine, &server, transfer));
    CHECK(grid_transfer_take_finished(engine) == transfer);
    return transfer;
}

static inline grid_transfer *run_get(void)
{
    grid_exchange exchange = exchange_with(server.port, "GET");

    return run(&exchange);
}

static inline void fails_like(grid_transfer *transfer, grid_kind kind, const char *code, grid_sent sent)
{
    check_failure(transfer, kind, code, sent);
    grid_transfer_free(transfer);
}

static inline bool begin(void)
{
    grid_error err;

    loopback_open(&server);
    engine = grid_engine_new(NULL, &err);
    return CHECK(engine != NULL);
}

/* -> the exit code of the test. `before`: the blocks that lived before `begin`. */
static inline int end(long before)
{
    CHECK_INT(grid_engine_in_flight(engine), 0);
    grid_engine_unref(engine);
    loopback_close(&server);
    CHECK_INT(grid_alloc_live(), before);
    return check_report();
}

#endif
