/* The engine as a step machine: what it waits for and what wakes it, what keeps it alive,
 * and what becomes of transfers that are cancelled, forgotten, or many. */
#include "engine_support.h"

#include <dirent.h>
#include <errno.h>
#include <sys/time.h>

static int open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;

    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

/* ---- Life -------------------------------------------------------------------------- */

static void a_home_knows_its_engine_as_long_as_it_lives(void)
{
    grid_engine *home = NULL, *engine;
    grid_error err;

    engine = grid_engine_new(&home, &err);
    CHECK(engine != NULL && home == engine);
    CHECK(grid_engine_ref(engine) == engine);
    grid_engine_unref(engine);
    CHECK(home == engine);
    grid_engine_unref(engine);
    CHECK(home == NULL);

    engine = grid_engine_new(&home, &err);
    grid_engine_leave_home(engine);
    CHECK(home == NULL);
    grid_engine_leave_home(engine);
    grid_engine_unref(engine);
}

static void nothing_stays_open_when_an_engine_ends(void)
{
    int descriptors;
    long blocks = grid_alloc_live();
    grid_engine *engine = new_engine();

    grid_engine_unref(engine); /* what libcurl opens once for the process is open now */
    descriptors = open_descriptors();
    for (int i = 0; i < 3; i++) {
        grid_transfer *transfer;
        loopback_answer(&server, LOOPBACK_OK, LOOPBACK_KEEP);
        engine = new_engine();
        transfer = start_get(engine);
        CHECK(finishes(engine, &server, transfer));
        grid_transfer_free(transfer);
        CHECK(open_descriptors() > descriptors);
        grid_engine_unref(engine);
        loopback_step(&server); /* hangs up too */
        CHECK_INT(open_descriptors(), descriptors);
    }
    CHECK_INT(grid_alloc_live(), blocks);
}

static void an_engine_lives_as_long_as_its_last_transfer(void)
{
    grid_engine *home = NULL, *engine;
    grid_transfer *transfer;
    grid_error err;

    loopback_answer(&server, LOOPBACK_OK, LOOPBACK_KEEP);
    engine = grid_engine_new(&home, &err);
    transfer = start_get(engine);
    grid_engine_unref(engine);
    CHECK(home == engine);
    CHECK(finishes(engine, &server, transfer));
    CHECK(home == engine);
    body_is(transfer, "hi");
    grid_transfer_free(transfer);
    CHECK(home == NULL);

    engine = grid_engine_new(&home, &err);
    transfer = start_get(engine);
    grid_engine_unref(engine);
    grid_transfer_free(transfer); /* in flight */
    CHECK(home == NULL);
}

/* ---- Transfers --------------------------------------------------------------------- */

static void finished_transfers_come_oldest_first(void)
{
    grid_engine *engine = new_engine();
    grid_transfer *transfers[5];

    loopback_answer(&server, LOOPBACK_OK, LOOPBACK_KEEP);
    for (int i = 0; i < 5; i++) {
        transfers[i] = start_get(engine);
        CHECK(finishes(engine, &server, transfers[i]));
    }
    /* In the middle, at the end, and at the beginning of the queue. */
    grid_transfer_free(transfers[2]);
    grid_transfer_free(transfers[4]);
    CHECK(grid_transfer_take_finished(engine) == transfers[0]);
    grid_transfer_free(transfers[1]);
    CHECK(grid_transfer_take_finished(engine) == transfers[3]);
    CHECK(grid_transfer_take_finished(engine) == NULL);
    grid_transfer_free(transfers[0]);
    grid_transfer_free(transfers[3]);

    transfers[0] = start_get(engine); /* the queue is whole after all that */
    CHECK(finishes(engine, &server, transfers[0]));
    CHECK(grid_transfer_take_finished(engine) == transfers[0]);
    CHECK(grid_transfer_take_finished(engine) == NULL);
    grid_transfer_free(transfers[0]);
    grid_engine_unref(engine);
}

static void a_transfer_freed_in_flight_is_cancelled(void)
{
    grid_engine *engine = new_engine();
    grid_transfer *kept, *cancelled;

    loopback_answer(&server, NULL, LOOPBACK_KEEP);
    kept = start_get(engine);
    cancelled = start_get(engine);
    CHECK_INT(grid_engine_in_flight(engine), 2);
    CHECK(until_executed(engine, 2));
    CHECK(!grid_transfer_is_finished(cancelled));
    grid_transfer_free(cancelled);
    CHECK_INT(grid_engine_in_flight(engine), 1);
    grid_engine_step(engine);
    CHECK(grid_transfer_take_finished(engine) == NULL);
    grid_transfer_free(kept);
    CHECK_INT(grid_engine_in_flight(engine), 0);
    grid_transfer_free(start_get(engine)); /* before its first step */
    CHECK_INT(grid_engine_in_flight(engine), 0);
    grid_engine_unref(engine);
}

static void many_are_in_flight_at_once(void)
{
    enum { MANY = 100 };
    grid_engine *engine = new_engine();
    grid_transfer *transfers[MANY];
    int taken = 0;

    loopback_answer(&server, NULL, LOOPBACK_KEEP);
    for (int i = 0; i < MANY; i++)
        transfers[i] = start_get(engine);
    CHECK_INT(grid_engine_in_flight(engine), MANY);
    CHECK(until_executed(engine, MANY)); /* none waits for another */
    for (int i = 0; i < MANY; i += 2)
        grid_transfer_free(transfers[i]);
    answer_now();
    for (int i = 1; i < MANY; i += 2)
        CHECK(finishes(engine, &server, transfers[i]));
    for (grid_transfer *transfer; (transfer = grid_transfer_take_finished(engine)); taken++)
        CHECK_INT(grid_transfer_sent(transfer), GRID_SENT_YES);
    CHECK_INT(taken, MANY / 2);
    for (int i = 1; i < MANY; i += 2)
        grid_transfer_free(transfers[i]);
    grid_engine_unref(engine);
}

/* ---- Waiting ----------------------------------------------------------------------- */

static void an_idle_engine_waits_for_nothing(void)
{
    grid_engine *engine = new_engine();

    CHECK(grid_engine_timeout(engine) < 0);
    grid_engine_step(engine);
    CHECK(grid_engine_timeout(engine) < 0);
    CHECK_INT(grid_engine_in_flight(engine), 0);
    CHECK(grid_transfer_take_finished(engine) == NULL);
    if (grid_engine_fd(engine) >= 0)
        CHECK(!is_readable(grid_engine_fd(engine), 0));
    grid_engine_unref(engine);
}

static void a_wait_after_a_start_is_short(void)
{
    grid_engine *engine = new_engine();
    grid_transfer *transfer = start_get(engine);
    double began = grid_clock_now();

    CHECK(grid_engine_timeout(engine) >= 0);
    grid_engine_wait(engine, LONG);
    CHECK(grid_clock_now() - began < LONG / 2.0);
    grid_transfer_free(transfer);
    grid_engine_unref(engine);
}

/* For its URL; frees it. */
static void fails_at_once(grid_engine *engine, grid_transfer *transfer)
{
    double began = grid_clock_now();

    for (int i = 0; i < 5 && !grid_transfer_is_finished(transfer); i++) {
        grid_engine_wait(engine, LONG);
        grid_engine_step(engine);
    }
    CHECK(grid_clock_now() - began < LONG / 2.0);
    check_failure(transfer, GRID_REQUEST, "bad_url", GRID_SENT_NO);
    grid_transfer_free(transfer);
}

static void what_fails_before_it_connects_is_not_waited_for(void)
{
    grid_engine *engine = new_engine();
    grid_exchange exchange = exchange_with(server.port, "GET");
    grid_transfer *transfer;

    exchange.url = "nonsense:";
    transfer = start(engine, &exchange);
    fails_at_once(engine, transfer);
    grid_engine_unref(engine);
}

/* libcurl checks no timeout of a transfer that waits for the connection that another
 * one is opening. */
static void a_transfer_that_waits_for_another_ones_connection_ends_in_time(void)
{
    grid_engine *engine = new_engine();
    grid_exchange exchange = exchange_with(server.port, "GET");
    grid_transfer *patient, *waiting;
    double began = grid_clock_now();
    char url[64];

    loopback_answer(&server, "", LOOPBACK_KEEP);
    /* It does not answer a TLS handshake. */
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", server.port);
    exchange.url = url;
    /* Reading authorities takes seconds under memcheck. */
    exchange.insecure_skip_tls_verify = true;
    exchange.timeout = exchange.connect_timeout = 20;
    patient = start(engine, &exchange);
    exchange.timeout = exchange.connect_timeout = 0.3;
    waiting = start(engine, &exchange);
    while (!grid_transfer_is_finished(waiting) && grid_clock_now() - began < 15) {
        grid_engine_wait(engine, 15);
        grid_engine_step(engine);
    }
    CHECK(grid_clock_now() - began >= 0.3);
    check_failure(waiting, GRID_TIMEOUT, "connect_timeout", GRID_SENT_NO);
    CHECK(grid_transfer_timing(waiting).total >= 0.3);
    CHECK(!grid_transfer_is_finished(patient));
    grid_transfer_free(waiting);
    grid_transfer_free(patient);
    grid_engine_unref(engine);
}

static void what_has_failed_is_not_forgotten_when_another_is_cancelled(void)
{
    grid_engine *engine = new_engine();
    grid_transfer *other = waiting_for_an_answer(engine), *transfer;
    grid_exchange exchange = exchange_with(server.port, "GET");

    exchange.url = "ftp://127.0.0.1/";
    transfer = start(engine, &exchange);
    grid_transfer_free(other);
    fails_at_once(engine, transfer);
    grid_engine_unref(engine);
}

#ifndef GRID_NO_EPOLL
#include <sys/epoll.h>
#include <sys/syscall.h>

static bool epoll_is_full;

/* Takes the place of the C library's.
 * NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (!epoll_is_full || operation != EPOLL_CTL_ADD)
        return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
    errno = ENOSPC;
    return -1;
}

static void a_socket_that_epoll_does_not_take_harms_no_other_transfer(void)
{
    grid_engine *engine = new_engine();
    grid_transfer *before = waiting_for_an_answer(engine), *unwatched;
    grid_exchange exchange = exchange_with(server.port, "GET");

    exchange.timeout = 0.3;
    epoll_is_full = true;
    unwatched = start(engine, &exchange);
    epoll_is_full = false;
    CHECK(finishes(engine, &server, unwatched));
    CHECK(!grid_transfer_is_finished(before));
    answer_now();
    CHECK(finishes(engine, &server, before));
    CHECK(grid_transfer_succeeded(before, &(grid_error){0}));
    grid_transfer_free(unwatched);
    grid_transfer_free(before);
    grid_engine_unref(engine);
}
#endif
int main(void)
{
    long before = grid_alloc_live();

    loopback_open(&server);
    a_home_knows_its_engine_as_long_as_it_lives();
    nothing_stays_open_when_an_engine_ends();
    an_engine_lives_as_long_as_its_last_transfer();
    finished_transfers_come_oldest_first();
    a_transfer_freed_in_flight_is_cancelled();
    many_are_in_flight_at_once();
    an_idle_engine_waits_for_nothing();
    a_wait_after_a_start_is_short();
    what_fails_before_it_connects_is_not_waited_for();
    a_transfer_that_waits_for_another_ones_connection_ends_in_time();
    what_has_failed_is_not_forgotten_when_another_is_cancelled();
#ifndef GRID_NO_EPOLL
    a_socket_that_epoll_does_not_take_harms_no_other_transfer();
#endif
    loopback_close(&server);
    CHECK_INT(grid_alloc_live(), before);
    return check_report();
}
