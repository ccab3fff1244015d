/* A child that is forked while its parent talks TLS: it lets go of the parent's
 * engine without a word on the wire, and makes its own. Needs the node of
 * spec/support/fault_server.mjs for TLS and HTTP/2. */
#include "http_support.h"
#include "remote.h"

#include <poll.h>
#include <sys/wait.h>

static remote server;

static grid_transfer *start_at(grid_engine *engine, const char *path, bool http1_only)
{
    static char url[128];
    grid_exchange exchange = exchange_with(0, "GET");

    snprintf(url, sizeof url, "%s/%s", server.https, path);
    exchange.url = url;
    exchange.ca_file = server.ca;
    exchange.http1_only = http1_only;
    return start(engine, &exchange);
}

static bool succeeds_reused(grid_engine *engine, bool http1_only, bool reused)
{
    grid_transfer *transfer = start_at(engine, "ok", http1_only);
    grid_error err = {.message = ""};
    bool ok = CHECK(finishes(engine, NULL, transfer)) && CHECK(grid_transfer_succeeded(transfer, &err)) &&
              CHECK_INT(grid_transfer_timing(transfer).connect == 0, reused);

    if (!ok)
        printf("    %s\n", err.message);
    grid_transfer_free(transfer);
    return ok;
}

static void step_for_a_while(grid_engine *engine)
{
    for (int i = 0; i < 20; i++) {
        grid_engine_step(engine);
        grid_engine_wait(engine, 0.005);
    }
}

/* Until the answer to /late has come, which the child must leave to its parent. */
static void is_inert(grid_engine *engine, const grid_transfer *in_flight)
{
    double end = grid_clock_now() + 1.5;

    CHECK_INT(grid_engine_in_flight(engine), 0);
    CHECK_INT(grid_engine_fd(engine), -1);
    CHECK(grid_engine_timeout(engine) < 0);
    alarm(60); /* ends this process when a wait lasts */
    grid_engine_wait(engine, 600);
    alarm(0);
    while (in_flight && grid_clock_now() < end) {
        grid_engine_step(engine);
        usleep(10000);
    }
    CHECK(!in_flight || !grid_transfer_is_finished(in_flight));
    CHECK(grid_transfer_take_finished(engine) == NULL);
}

/* What the child does with what it inherited. */
static void let_go(grid_engine *engine, grid_transfer *finished, grid_transfer *in_flight)
{
    grid_exchange exchange = exchange_with(1, "GET");
    grid_error err = {.code = ""};

    CHECK(!grid_engine_is_ours(engine));
    CHECK(grid_transfer_start(engine, &exchange, &err) == NULL);
    CHECK_STR(err.code, "forked");
    is_inert(engine, in_flight);
    grid_transfer_free(finished);
    if (in_flight)
        grid_transfer_free(in_flight);
    grid_engine_unref(engine);
    engine = grid_engine_new(NULL, &err);
    CHECK(engine != NULL && grid_engine_is_ours(engine));
    succeeds_reused(engine, false, false);
    grid_engine_unref(engine);
    CHECK_INT(grid_alloc_live(), 0);
}

static void let_go_in_a_child(grid_engine *engine, grid_transfer *finished, grid_transfer *in_flight)
{
    int status = 0;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        check_failed = 0;
        let_go(engine, finished, in_flight);
        fflush(stdout);
        /* Not exit: what was let go of is no leak to report. */
        execlp(check_failed ? "false" : "true", "child", (char *)NULL);
        _exit(2);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_child_lets_go_and_the_parents_connection_stays(bool http1_only)
{
    grid_error err;
    grid_engine *engine = grid_engine_new(NULL, &err);
    grid_transfer *finished = start_at(engine, "ok", http1_only);

    CHECK(finishes(engine, NULL, finished) && check_success(finished));
    let_go_in_a_child(engine, finished, NULL);
    step_for_a_while(engine);
    succeeds_reused(engine, http1_only, true);
    CHECK(grid_transfer_take_finished(engine) == finished);
    grid_transfer_free(finished);
    grid_engine_unref(engine);
    CHECK_INT(grid_alloc_live(), 0);
}

static void a_child_lets_go_and_the_parents_exchange_goes_on(bool http1_only)
{
    grid_error err;
    grid_engine *engine = grid_engine_new(NULL, &err);
    grid_transfer *finished = start_at(engine, "ok", http1_only);
    grid_transfer *in_flight;

    CHECK(finishes(engine, NULL, finished) && check_success(finished));
    in_flight = start_at(engine, "late", http1_only);
    step_for_a_while(engine);
    CHECK(!grid_transfer_is_finished(in_flight));
    let_go_in_a_child(engine, finished, in_flight);
    CHECK(finishes(engine, NULL, in_flight));
    CHECK(grid_transfer_succeeded(in_flight, &err));
    CHECK(grid_transfer_timing(in_flight).connect == 0);
    CHECK(grid_transfer_take_finished(engine) == finished);
    CHECK(grid_transfer_take_finished(engine) == in_flight);
    grid_transfer_free(in_flight);
    grid_transfer_free(finished);
    grid_engine_unref(engine);
    CHECK_INT(grid_alloc_live(), 0);
}

static bool is_readable(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};

    return poll(&entry, 1, 0) == 1;
}

/* The wakeup is polled by the epoll descriptor, which parent and child share. */
static void a_child_does_not_change_the_parents_wakeup(bool is_awake)
{
    grid_error err;
    grid_engine *engine = grid_engine_new(NULL, &err);
    pid_t child;

    grid_engine_wake(engine);
    if (!is_awake)
        grid_engine_clear_wakeup(engine);
    child = fork();
    if (child == 0) {
        if (is_awake)
            grid_engine_clear_wakeup(engine);
        else
            grid_engine_wake(engine);
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, NULL, 0) == child);
    if (grid_engine_fd(engine) >= 0) /* -1 where there is no epoll */
        CHECK_INT(is_readable(grid_engine_fd(engine)), is_awake);
    grid_engine_unref(engine);
}

int main(void)
{
    a_child_does_not_change_the_parents_wakeup(false);
    a_child_does_not_change_the_parents_wakeup(true);
    if (!CHECK(remote_open(&server)))
        return check_report();
    for (int http1_only = 0; http1_only <= 1; http1_only++) {
        a_child_lets_go_and_the_parents_connection_stays(http1_only);
        a_child_lets_go_and_the_parents_exchange_goes_on(http1_only);
    }
    remote_close(&server);
    return check_report();
}
