/* What the tests of the engine share: its server, which is in the same loop, and steps of
 * both. */
#ifndef GRID_SPEC_ENGINE_SUPPORT_H
#define GRID_SPEC_ENGINE_SUPPORT_H

#include "http_support.h"

#include <poll.h>

/* Seconds. A wait that ends by itself takes this long, one that is ended takes less than
 * half of it on any machine. */
enum { LONG = 60 };

static loopback server;

static inline grid_engine *new_engine(void)
{
    grid_error err = {.code = ""};
    grid_engine *engine = grid_engine_new(NULL, &err);

    if (!CHECK(engine != NULL)) {
        printf("    %s: %s\n", err.code, err.message);
        exit(check_report());
    }
    return engine;
}

static inline grid_transfer *start_get(grid_engine *engine)
{
    grid_exchange exchange = exchange_with(server.port, "GET");

    return start(engine, &exchange);
}

/* Moves both until the server has read as many requests. */
static inline bool until_executed(grid_engine *engine, int count)
{
    double end = grid_clock_now() + 10;

    while (server.executed < count && grid_clock_now() < end) {
        grid_engine_step(engine);
        loopback_step(&server);
        grid_engine_wait(engine, 0.001);
    }
    return server.executed >= count;
}

/* Answers on every connection. */
static inline void answer_now(void)
{
    server.answer = LOOPBACK_OK;
    server.answer_size = strlen(LOOPBACK_OK);
    for (int i = 0; i < LOOPBACK_CONNECTIONS; i++)
        server.connections[i].answering = server.connections[i].fd >= 0;
    loopback_step(&server);
}

static inline bool is_readable(int fd, int milliseconds)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};

    return poll(&entry, 1, milliseconds) == 1;
}

/* Steps until the request is out and nothing is due. */
static inline grid_transfer *waiting_for_an_answer(grid_engine *engine)
{
    grid_transfer *transfer;

    loopback_answer(&server, NULL, LOOPBACK_KEEP);
    transfer = start_get(engine);
    CHECK(until_executed(engine, 1));
    for (int i = 0; i < 100 && (grid_engine_timeout(engine) == 0 || is_readable(grid_engine_fd(engine), 0)); i++)
        grid_engine_step(engine);
    return transfer;
}

#endif
