/* What the engine waits for, and what wakes it: the descriptor, the wakeup, deadlines and
 * signals. */
#include "engine_support.h"

#include <signal.h>
#include <sys/time.h>

static void the_descriptor_is_readable_when_a_step_has_work(void)
{
    grid_engine *engine = new_engine();
    grid_transfer *transfer = waiting_for_an_answer(engine);
    int fd = grid_engine_fd(engine);

    if (fd >= 0) { /* -1 where there is no epoll */
        CHECK(!is_readable(fd, 0));
        answer_now();
        CHECK(is_readable(fd, 5000));
        for (int i = 0; i < 10 && !grid_transfer_is_finished(transfer); i++)
            grid_engine_step(engine);
        CHECK(grid_transfer_is_finished(transfer));
        CHECK(!is_readable(fd, 0));
    }
    grid_transfer_free(transfer);
    grid_engine_unref(engine);
}

static void ask_once(grid_engine *engine)
{
    grid_transfer *transfer = start_get(engine);

    CHECK(finishes(engine, &server, transfer));
    body_is(transfer, "hi");
    grid_transfer_free(transfer);
}

/* Its socket is watched still, for the next call. */
static void an_idle_connection_that_the_server_closes_causes_no_wakeups(void)
{
    grid_engine *engine = new_engine();
    int fd = grid_engine_fd(engine);

    loopback_answer(&server, LOOPBACK_OK, LOOPBACK_KEEP);
    ask_once(engine);
    ask_once(engine);
    CHECK_INT(server.accepted, 1);
    for (int i = 0; i < LOOPBACK_CONNECTIONS; i++)
        if (server.connections[i].fd >= 0)
            loopback_hang_up(&server.connections[i]);
    grid_engine_wait(engine, 0.05);
    grid_engine_step(engine);
    if (fd >= 0)
        CHECK(!is_readable(fd, 0));
    ask_once(engine);
    CHECK_INT(server.accepted, 2);
    grid_engine_unref(engine);
}

static void a_wakeup_keeps_the_descriptor_readable_and_ends_no_wait(void)
{
    grid_engine *engine = new_engine();
    int fd = grid_engine_fd(engine);

    for (int i = 0; fd >= 0 && i < 2; i++) { /* the first wakeup opens a descriptor */
        double began = grid_clock_now();

        grid_engine_wake(engine);
        grid_engine_wake(engine);
        grid_engine_step(engine);
        CHECK(grid_engine_timeout(engine) < 0);
        grid_engine_wait(engine, 0.05);
        CHECK(grid_clock_now() - began > 0.04);
        CHECK(is_readable(fd, 0));
        grid_engine_clear_wakeup(engine);
        CHECK(!is_readable(fd, 0));
    }
    grid_engine_clear_wakeup(engine);
    grid_engine_unref(engine);
}

static void the_timeout_leads_to_the_transfers_own(void)
{
    grid_engine *engine = new_engine();
    grid_exchange exchange = exchange_with(server.port, "GET");
    grid_transfer *transfer;
    double began = grid_clock_now();

    loopback_answer(&server, NULL, LOOPBACK_KEEP);
    exchange.timeout = 0.3;
    transfer = start(engine, &exchange);
    CHECK(until_executed(engine, 1));
    while (!grid_transfer_is_finished(transfer) && grid_clock_now() - began < 5) {
        double left = grid_engine_timeout(engine);
        CHECK(left >= 0 && left <= 0.3);
        grid_engine_wait(engine, 5);
        grid_engine_step(engine);
    }
    check_failure(transfer, GRID_TIMEOUT, "timeout", GRID_SENT_UNKNOWN);
    CHECK(grid_clock_now() - began >= 0.3);
    grid_transfer_free(transfer);
    grid_engine_unref(engine);
}

static void a_wait_ends_when_an_answer_comes(void)
{
    grid_engine *engine = new_engine();
    grid_transfer *transfer = waiting_for_an_answer(engine);
    double began = grid_clock_now();

    answer_now();
    grid_engine_wait(engine, LONG);
    CHECK(grid_clock_now() - began < LONG / 2.0);
    grid_engine_step(engine);
    CHECK(grid_transfer_is_finished(transfer));
    grid_transfer_free(transfer);
    grid_engine_unref(engine);
}

static void a_wait_ends_when_its_time_is_over(void)
{
    grid_engine *engine = new_engine();
    grid_transfer *transfer = waiting_for_an_answer(engine);
    double began = grid_clock_now();

    grid_engine_wait(engine, 0.05);
    CHECK(grid_clock_now() - began >= 0.04);
    CHECK(grid_clock_now() - began < LONG / 2.0);
    began = grid_clock_now();
    grid_engine_wait(engine, 0);
    grid_engine_wait(engine, -1);
    CHECK(grid_clock_now() - began < LONG / 2.0);
    grid_transfer_free(transfer);
    grid_engine_unref(engine);
}

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    (void)number;
    signals++;
}

static void a_signal_ends_a_wait(void)
{
    grid_engine *engine = new_engine();
    grid_transfer *transfer = waiting_for_an_answer(engine);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
    struct itimerval soon = {.it_value.tv_usec = 50000}, never = {.it_value.tv_usec = 0};
    double began = grid_clock_now();

    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &soon, NULL);
    grid_engine_wait(engine, LONG);
    CHECK(grid_clock_now() - began < LONG / 2.0);
    CHECK_INT(signals, 1);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    CHECK(!grid_transfer_is_finished(transfer));
    answer_now();
    CHECK(finishes(engine, &server, transfer));
    body_is(transfer, "hi");
    grid_transfer_free(transfer);
    grid_engine_unref(engine);
}

int main(void)
{
    long before = grid_alloc_live();

    loopback_open(&server);
    the_descriptor_is_readable_when_a_step_has_work();
    an_idle_connection_that_the_server_closes_causes_no_wakeups();
    a_wakeup_keeps_the_descriptor_readable_and_ends_no_wait();
    the_timeout_leads_to_the_transfers_own();
    a_wait_ends_when_an_answer_comes();
    a_wait_ends_when_its_time_is_over();
    a_signal_ends_a_wait();
    loopback_close(&server);
    CHECK_INT(grid_alloc_live(), before);
    return check_report();
}
