/* A name server that does not answer holds up neither the transfer that asks it,
 * when that is given up or its time is over, nor the end of the engine. The C
 * library's getaddrinfo waits here until the test has got that far; where the test
 * has to wait for getaddrinfo instead, that gives up after a while, and says so. */
#include "http_support.h"

#include <curl/curl.h>
#include <netdb.h>
#include <pthread.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
/* Calls of getaddrinfo: all, and those that have not returned. */
static int asked, waiting;
static bool answers, gave_up;

/* Takes the place of the C library's.
 * NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                                                       struct addrinfo **found)
{
    struct timespec end;

    (void)name, (void)service, (void)hints, (void)found;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE;
    pthread_mutex_lock(&lock);
    asked++;
    waiting++;
    pthread_cond_broadcast(&changed);
    while (!answers && !gave_up)
        gave_up = pthread_cond_timedwait(&changed, &lock, &end) != 0;
    waiting--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return EAI_AGAIN;
}

static void begin(void)
{
    pthread_mutex_lock(&lock);
    asked = 0;
    answers = gave_up = false;
    pthread_mutex_unlock(&lock);
}

static bool has_asked(void)
{
    bool yes;

    pthread_mutex_lock(&lock);
    yes = asked > 0;
    pthread_mutex_unlock(&lock);
    return yes;
}

/* True: the test came this far before any getaddrinfo has given up. They all return
 * now. */
static bool end(void)
{
    bool in_time;

    pthread_mutex_lock(&lock);
    in_time = !gave_up;
    answers = true;
    pthread_cond_broadcast(&changed);
    while (waiting)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return in_time;
}

static grid_transfer *start_asking(grid_engine *engine, double timeout)
{
    grid_exchange exchange = exchange_with(0, "GET");
    grid_transfer *transfer;

    exchange.url = "https://slow.invalid/";
    exchange.timeout = timeout;
    exchange.connect_timeout = timeout;
    exchange.insecure_skip_tls_verify = true;
    transfer = start(engine, &exchange);
    for (int i = 0; i < 1000 && !has_asked(); i++) {
        grid_engine_step(engine);
        usleep(1000);
    }
    CHECK(has_asked());
    return transfer;
}

static void a_transfer_that_is_given_up_does_not_wait(void)
{
    grid_error err;
    grid_engine *engine = grid_engine_new(NULL, &err);

    begin();
    grid_transfer_free(start_asking(engine, 60));
    CHECK(end());
    grid_engine_unref(engine);
}

static void a_transfer_whose_time_is_over_does_not_wait(void)
{
    grid_error err;
    grid_engine *engine = grid_engine_new(NULL, &err);
    grid_transfer *transfer;

    begin();
    transfer = start_asking(engine, 0.1);
    CHECK(finishes(engine, NULL, transfer));
    check_failure(transfer, GRID_TIMEOUT, "connect_timeout", GRID_SENT_NO);
    CHECK(end());
    grid_transfer_free(transfer);
    grid_engine_unref(engine);
}

static void the_end_of_an_engine_does_not_wait(void)
{
    grid_error err;
    grid_engine *engine = grid_engine_new(NULL, &err);
    grid_transfer *transfer;

    begin();
    transfer = start_asking(engine, 60);
    grid_engine_unref(engine);
    grid_transfer_free(transfer); /* and with it the engine */
    CHECK(end());
}

int main(void)
{
    /* An older one waits: see README. */
    if (curl_version_info(CURLVERSION_NOW)->version_num >= 0x075700) {
        a_transfer_that_is_given_up_does_not_wait();
        a_transfer_whose_time_is_over_does_not_wait();
        the_end_of_an_engine_does_not_wait();
    }
    CHECK_INT(grid_alloc_live(), 0);
    return check_report();
}
