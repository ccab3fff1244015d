/* A lack of file descriptors in the start of a transfer, whatever libcurl needed one
 * for: the transfer has failed with "no_descriptor", nothing was sent, and the
 * others go on. Needs the node of spec/support/fault_server.mjs. */
#include "http_support.h"
#include "remote.h"

#include <curl/curl.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

enum { TRANSFERS = 6, MOST_LEFT = 10 };

static remote server;
static int refused_files; /* the number of files that are not opened */

/* Called by OpenSSL, in place of the functions of the C library. */
#pragma GCC visibility push(default)
FILE *fopen(const char *path, const char *mode)
{
    if (refused_files > 0) {
        refused_files--;
        errno = EMFILE;
        return NULL;
    }
    return mode[0] == 'r' ? fdopen(open(path, O_RDONLY | O_CLOEXEC), mode) : NULL;
}

FILE *fopen64(const char *path, const char *mode);
FILE *fopen64(const char *path, const char *mode)
{
    return fopen(path, mode);
}
#pragma GCC visibility pop

/* As many as that can be opened. */
static void leave(int descriptors)
{
    struct rlimit limit;
    int next = dup(0);

    close(next);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = descriptors < 0 ? limit.rlim_max : (rlim_t)(next + descriptors);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static grid_transfer *start_at(grid_engine *engine, const char *url, bool http1_only, grid_error *err)
{
    grid_exchange exchange = exchange_with(0, "GET");

    exchange.url = url;
    exchange.ca_file = server.ca;
    exchange.http1_only = http1_only;
    exchange.timeout = exchange.connect_timeout = 20;
    return grid_transfer_start(engine, &exchange, err);
}

static bool is_a_lack(const grid_error *err)
{
    bool ok = CHECK(err->kind == GRID_REQUEST) && CHECK_STR(err->code, "no_descriptor");

    if (!ok)
        printf("    %s: %s\n", err->code, err->message);
    return ok;
}

/* Frees it. True: it succeeded; false: for the lack of a descriptor it did not. */
static bool succeeds(grid_engine *engine, grid_transfer *transfer)
{
    grid_error err;
    bool ok;

    CHECK(finishes(engine, NULL, transfer));
    ok = grid_transfer_succeeded(transfer, &err);
    if (!ok)
        CHECK(is_a_lack(&err) && grid_transfer_sent(transfer) == GRID_SENT_NO);
    grid_transfer_free(transfer);
    return ok;
}

static int run(grid_engine *engine, const char *url, bool http1_only)
{
    grid_transfer *transfers[TRANSFERS];
    int succeeded = 0;
    grid_error err;

    for (int i = 0; i < TRANSFERS; i++) {
        transfers[i] = start_at(engine, url, http1_only, &err);
        if (!transfers[i])
            is_a_lack(&err);
    }
    for (int i = 0; i < TRANSFERS; i++)
        succeeded += transfers[i] && succeeds(engine, transfers[i]);
    return succeeded;
}

static void a_lack_is_told_from_a_fault_of_the_network(bool http1_only)
{
    char url[128];
    grid_error err;

    snprintf(url, sizeof url, "%s/ok", server.https);
    for (int left = 0; left <= MOST_LEFT; left++) {
        grid_engine *engine = grid_engine_new(NULL, &err);

        leave(left);
        CHECK(run(engine, url, http1_only) <= (http1_only ? left : TRANSFERS));
        leave(-1);
        CHECK_INT(run(engine, url, http1_only), TRANSFERS);
        grid_engine_unref(engine);
    }
}

/* The file could not be opened, and connections that were closed since have released
 * descriptors. */
static void a_lack_is_seen_when_it_has_passed(int files)
{
    char url[128];
    grid_error err;
    grid_engine *engine = grid_engine_new(NULL, &err);

    snprintf(url, sizeof url, "%s/ok", server.https);
    refused_files = files;
    CHECK(!succeeds(engine, start_at(engine, url, true, &err)));
    refused_files = 0;
    CHECK_INT(run(engine, url, true), TRANSFERS);
    grid_engine_unref(engine);
}

/* A name is looked up on a thread, which tells of it through a pair of descriptors. */
static void so_it_is_where_a_name_is_looked_up(void)
{
    grid_error err;

    for (int left = 0; left <= 1; left++) {
        grid_engine *engine = grid_engine_new(NULL, &err);

        leave(left);
        CHECK_INT(run(engine, "https://name.invalid/", false), 0);
        leave(-1);
        grid_engine_unref(engine);
    }
}

#ifndef GRID_NO_EPOLL
static void an_engine_needs_one_too(void)
{
    grid_error err;

    leave(0);
    if (grid_engine_new(NULL, &err))
        CHECK(false);
    else
        is_a_lack(&err);
    leave(-1);
}
#endif

int main(void)
{
    if (!CHECK(remote_open(&server)))
        return check_report();
    /* libcurl opens what it opens once for the process. */
    grid_engine_unref(grid_engine_new(NULL, &(grid_error){0}));
    a_lack_is_told_from_a_fault_of_the_network(true);
    a_lack_is_told_from_a_fault_of_the_network(false);
    a_lack_is_seen_when_it_has_passed(1);
    if (LIBCURL_VERSION_NUM >= 0x075700) /* reads a file again */
        a_lack_is_seen_when_it_has_passed(2);
    so_it_is_where_a_name_is_looked_up();
#ifndef GRID_NO_EPOLL
    an_engine_needs_one_too();
#endif
    CHECK_INT(grid_alloc_live(), 0);
    remote_close(&server);
    return check_report();
}
