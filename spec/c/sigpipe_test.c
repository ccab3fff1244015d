/* A program that leaves SIGPIPE alone goes on when the peer of a TLS connection
 * resets or closes it: in a call, between two calls, when a call is given up, and
 * when the engine ends. libcurl before 7.87 lets OpenSSL raise the signal. Each case
 * runs in a child with the signal's default action. Needs the node of
 * spec/support/fault_server.mjs. */
#include "child.h"
#include "http_support.h"
#include "remote.h"

static remote server;

static grid_transfer *start_at(grid_engine *engine, const char *method, const char *path, bool http1_only)
{
    static char url[128];
    static char bytes[200000];
    static const grid_slice body = {bytes, sizeof bytes};
    grid_exchange exchange = exchange_with(0, method);

    snprintf(url, sizeof url, "%s/%s", server.https, path);
    exchange.url = url;
    exchange.ca_file = server.ca;
    exchange.http1_only = http1_only;
    exchange.timeout = strcmp(path, "silent") == 0 ? 0.3 : 20;
    if (strcmp(method, "POST") == 0)
        exchange.body = &body;
    return start(engine, &exchange);
}

static void call(grid_engine *engine, const char *method, const char *path, bool http1_only)
{
    grid_transfer *transfer = start_at(engine, method, path, http1_only);

    CHECK(finishes(engine, NULL, transfer));
    grid_transfer_free(transfer);
}

/* What the server holds back, such as the end of a connection, has come when this
 * returns. An engine of its own asks for it: no step of another one reads it. */
static void release(void)
{
    grid_error err;
    grid_engine *engine = grid_engine_new(NULL, &err);

    call(engine, "GET", "release", true);
    grid_engine_unref(engine);
}

static void release_and_step(grid_engine *engine)
{
    release();
    for (int i = 0; i < 5; i++) {
        grid_engine_step(engine);
        grid_engine_wait(engine, 0.02);
    }
}

typedef void scene(grid_engine *engine, bool http1_only);

static void a_reset_in_a_call(grid_engine *engine, bool http1_only)
{
    call(engine, "GET", "reset", http1_only);
    call(engine, "POST", "reset", http1_only);
    call(engine, "POST", "reset-early", http1_only);
}

static void a_timeout(grid_engine *engine, bool http1_only)
{
    call(engine, "GET", "silent", http1_only);
}

static void an_end_between_two_calls(grid_engine *engine, bool http1_only)
{
    call(engine, "GET", "retire", http1_only);
    release_and_step(engine);
    call(engine, "GET", "ok", http1_only);
    call(engine, "GET", "reset-later", http1_only);
    release_and_step(engine);
    call(engine, "GET", "ok", http1_only);
}

static void an_end_that_no_step_has_seen(grid_engine *engine, bool http1_only)
{
    call(engine, "GET", "reset-later", http1_only);
    release();
    call(engine, "GET", "ok", http1_only);
}

static void an_end_before_the_engine_ends(grid_engine *engine, bool http1_only)
{
    call(engine, "GET", "retire", http1_only);
    release_and_step(engine);
}

static void a_reset_before_the_engine_ends(grid_engine *engine, bool http1_only)
{
    call(engine, "GET", "reset-later", http1_only);
    release();
}

static void a_call_that_is_given_up_after_a_reset(grid_engine *engine, bool http1_only)
{
    grid_transfer *transfer = start_at(engine, "POST", "reset-early", http1_only);

    for (int i = 0; i < 20 && grid_transfer_sent(transfer) == GRID_SENT_NO; i++) {
        grid_engine_wait(engine, 1);
        grid_engine_step(engine);
    }
    usleep(300000);
    grid_transfer_free(transfer);
}

typedef struct {
    scene *play;
    bool http1_only;
} performance;

static void run(void *context)
{
    const performance *of = context;
    grid_error err;
    grid_engine *engine = grid_engine_new(NULL, &err);

    of->play(engine, of->http1_only);
    grid_engine_unref(engine);
}

static bool survives(scene *play, bool http1_only)
{
    performance of = {play, http1_only};

    return check_child(run, &of);
}

int main(void)
{
    if (!CHECK(remote_open(&server)))
        return check_report();
    for (int http1_only = check_is_slowed(); http1_only <= 1; http1_only++) {
        CHECK(survives(a_reset_in_a_call, http1_only));
        CHECK(survives(a_timeout, http1_only));
        CHECK(survives(an_end_between_two_calls, http1_only));
        CHECK(survives(an_end_that_no_step_has_seen, http1_only));
        CHECK(survives(an_end_before_the_engine_ends, http1_only));
        CHECK(survives(a_reset_before_the_engine_ends, http1_only));
        CHECK(survives(a_call_that_is_given_up_after_a_reset, http1_only));
    }
    remote_close(&server);
    return check_report();
}
