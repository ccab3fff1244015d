/* A libcurl that was built without HTTP/2: calls over TLS use HTTP/1.1, each on a
 * connection of its own. The libcurl here pretends that it was; one that really was
 * refuses to be asked for HTTP/2. Needs the node of spec/support/fault_server.mjs. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "http_support.h"
#include "remote.h"

#include <curl/curl.h>
#include <dlfcn.h>

static remote server;

/* Takes the place of libcurl's own.
 * NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
curl_version_info_data *curl_version_info(CURLversion age)
{
    static curl_version_info_data info;
    curl_version_info_data *(*own)(CURLversion);
    void *symbol = dlsym(RTLD_NEXT, "curl_version_info");

    memcpy(&own, &symbol, sizeof own);
    info = *own(age);
    info.features &= ~CURL_VERSION_HTTP2;
    return &info;
}

static grid_transfer *start_get(grid_engine *engine, const char *path)
{
    static char url[128];
    grid_exchange exchange = exchange_with(0, "GET");

    snprintf(url, sizeof url, "%s/%s", server.https, path);
    exchange.url = url;
    exchange.ca_file = server.ca;
    return start(engine, &exchange);
}

static void succeeds_over_http1(grid_engine *engine, grid_transfer *transfer)
{
    grid_error err = {.message = ""};

    if (!transfer || !CHECK(finishes(engine, NULL, transfer)))
        return;
    if (!CHECK(grid_transfer_succeeded(transfer, &err)))
        printf("    %s: %s\n", err.code, err.message);
    CHECK_INT(grid_transfer_timing(transfer).http_version, 11);
    CHECK(grid_transfer_timing(transfer).connect > 0);
    grid_transfer_free(transfer);
}

int main(void)
{
    grid_engine *engine;
    grid_transfer *waiting;
    grid_error err;

    if (!CHECK(remote_open(&server)))
        return check_report();
    engine = grid_engine_new(NULL, &err);
    waiting = start_get(engine, "silent");
    succeeds_over_http1(engine, start_get(engine, "ok"));
    if (waiting)
        grid_transfer_free(waiting);
    grid_engine_unref(engine);
    CHECK_INT(grid_alloc_live(), 0);
    remote_close(&server);
    return check_report();
}
