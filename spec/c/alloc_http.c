/* The http room without memory: each allocation fails in turn, first of our own blocks
 * and then of libcurl's. Nothing crashes, hangs or leaks, and an error says what
 * happened.
 * libcurl takes its allocator only before it starts, hence a program of its own. */
#include "failing.h"
#include "http_support.h"

#include <curl/curl.h>
#include <stdlib.h>

static loopback server;
static long curl_blocks;
static bool curl_fails;

/* What curl_multi_socket_action needs to note a transfer on a socket: a table of 13
 * lists, and an entry. When it has no memory for them, libcurl 7.88 destroys the table,
 * keeps it, and divides by its size of 0 the next time (multi.c, singlesocket). There is
 * no way around that from outside. */
static bool would_crash_libcurl(size_t size)
{
    return size == sizeof(void *[13][4]) || size == sizeof(void *[7]);
}

static bool curl_refuses(size_t size)
{
    return curl_fails && !would_crash_libcurl(size) && failing_now();
}

static void *counted(void *block)
{
    curl_blocks += block != NULL;
    return block;
}

static void *curl_malloc(size_t size)
{
    return curl_refuses(size) ? NULL : counted(malloc(size));
}

static void *curl_calloc(size_t count, size_t size)
{
    return curl_refuses(count * size) ? NULL : counted(calloc(count, size));
}

static void *curl_realloc(void *block, size_t size)
{
    if (!block)
        return curl_malloc(size);
    return curl_refuses(size) ? NULL : realloc(block, size);
}

static char *curl_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = curl_malloc(size);

    return copy ? memcpy(copy, text, size) : NULL;
}

static void curl_release(void *block)
{
    curl_blocks -= block != NULL;
    free(block);
}

/* An error must say which. */
static bool failed_well(const grid_error *err)
{
    return err->code[0] != '\0' && err->message[0] != '\0';
}

static bool exchange_once(grid_engine *engine)
{
    grid_slice header = text_slice("Content-Type: application/json"), body = text_slice("{\"a\":1}");
    grid_exchange exchange = exchange_with(server.port, "POST");
    grid_error err = {.code = ""};
    grid_transfer *transfer;
    bool good;

    exchange.headers = &header;
    exchange.header_count = 1;
    exchange.body = &body;
    exchange.timeout = 0.3;
    transfer = grid_transfer_start(engine, &exchange, &err);
    if (!transfer)
        return failed_well(&err);
    good = finishes(engine, &server, transfer);
    if (good && !grid_transfer_succeeded(transfer, &err))
        good = failed_well(&err);
    else
        good = good && grid_transfer_headers(transfer)->status == 200 && grid_transfer_body(transfer).size == 1000;
    grid_transfer_free(transfer);
    return good && grid_engine_in_flight(engine) == 0;
}

/* Two exchanges, the second on the first one's connection, and one that is cancelled. */
static bool use_an_engine(void)
{
    grid_error err = {.code = ""};
    grid_engine *engine = grid_engine_new(NULL, &err);
    grid_exchange exchange = exchange_with(server.port, "GET");
    grid_transfer *cancelled;
    bool good;

    if (!engine)
        return failed_well(&err);
    good = exchange_once(engine);
    good = good && exchange_once(engine);
    cancelled = grid_transfer_start(engine, &exchange, &err);
    if (cancelled) {
        grid_engine_step(engine);
        grid_transfer_free(cancelled);
    }
    grid_engine_unref(engine);
    loopback_step(&server);
    return good;
}

static bool leaves_nothing(void)
{
    long blocks = grid_alloc_live(), curls = curl_blocks;
    bool good;

    failing_begin();
    good = use_an_engine();
    failing_end();
    return good && grid_alloc_live() == blocks && curl_blocks == curls;
}

int main(void)
{
    static char answer[1200];

    CHECK(curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, curl_release, curl_realloc, curl_strdup, curl_calloc) == CURLE_OK);
    loopback_open(&server);
    snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nX-One: 1\r\nSet-Cookie: a=b\r\nContent-Length: 1000\r\n\r\n%01000d", 0);
    loopback_answer(&server, answer, LOOPBACK_KEEP);
    CHECK(leaves_nothing()); /* what libcurl keeps for the process is kept now */

    grid_alloc_set_gate(failing_allows);
    failing_each("our blocks", leaves_nothing);
    grid_alloc_set_gate(NULL);
    curl_fails = true;
    failing_each("libcurl's blocks", leaves_nothing);
    curl_fails = false;
    CHECK(leaves_nothing());
    loopback_close(&server);
    curl_global_cleanup();
    return check_report();
}
