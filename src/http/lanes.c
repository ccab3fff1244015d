#include "http/lanes.h"

#include "http/options.h"

#include <sys/resource.h>

enum {
    SHARED, /* HTTP/2 */
    SINGLE  /* HTTP/1.1 */
};

/* Per host, each with about 100 streams. Without the limit, if all streams of a
 * connection are in use, libcurl (7.88.1) opens one connection for every transfer that
 * waits, at 90 KiB each, and does not use their other streams. */
enum { MAX_SHARED_CONNECTIONS = 32 };

/* By default libcurl keeps four idle connections per transfer in flight, and closes some
 * that the next transfers could use. */
enum { MAX_IDLE_CONNECTIONS = 1024 };

/* A quarter of the descriptors at most, since the program needs some for itself. */
static long max_idle_connections(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / 4 >= MAX_IDLE_CONNECTIONS)
        return MAX_IDLE_CONNECTIONS;
    return limit.rlim_cur >= 4 ? (long)(limit.rlim_cur / 4) : 1;
}

/* CURLMOPT_QUICK_EXIT: curl_multi_cleanup does not wait for resolver threads. libcurl
 * before 8.20 lacks the option; its threads belong to the transfers, see
 * CURLOPT_QUICK_EXIT. */
enum { QUICK_EXIT = 21 };

/* CURLMOPT_NETWORK_CHANGED, CURLMNWC_CLEAR_CONNS: idle connections are closed. An older
 * libcurl lacks the option, and closes the connection that was shut down by itself. */
enum { NETWORK_CHANGED = 17, CLEAR_CONNECTIONS = 1 << 1 };

void grid_lanes_init(grid_lanes *lanes, grid_driver *driver, const grid_connections *connections)
{
    *lanes = (grid_lanes){.driver = driver, .connections = connections};
}

void grid_lanes_clear(grid_lanes *lanes)
{
    for (int lane = 0; lane < GRID_LANES; lane++) {
        if (lanes->multis[lane])
            curl_multi_cleanup(lanes->multis[lane]);
        lanes->multis[lane] = NULL;
    }
}

static CURLM *multi_of(grid_lanes *lanes, int lane)
{
    CURLM *multi = lanes->multis[lane];

    if (multi)
        return multi;
    multi = lanes->multis[lane] = curl_multi_init();
    if (!multi)
        return NULL;
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, lane == SHARED ? (long)MAX_SHARED_CONNECTIONS : 0L);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, max_idle_connections());
    curl_multi_setopt(multi, (CURLMoption)QUICK_EXIT, 1L);
    grid_driver_set_multi(lanes->driver, lane, multi);
    return multi;
}

static CURLMcode add_to(grid_lanes *lanes, grid_task *task, int lane)
{
    CURLM *multi = multi_of(lanes, lane);
    CURLMcode code;

    if (!multi)
        return CURLM_OUT_OF_MEMORY;
    curl_easy_setopt(task->easy, CURLOPT_PIPEWAIT, lane == SHARED ? 1L : 0L);
    grid_options_set_series(task->easy, lanes->connections->series);
    code = curl_multi_add_handle(multi, task->easy);
    if (code != CURLM_OK)
        return code;
    task->lane = lane;
    lanes->counts[lane]++;
    return CURLM_OK;
}

CURLMcode grid_lanes_add(grid_lanes *lanes, grid_task *task)
{
    bool shares = task->may_share && !grid_origins_has(&lanes->origins, task->origin);

    curl_easy_setopt(task->easy, CURLOPT_PRIVATE, task);
    grid_driver_attach(lanes->driver, task->easy);
    return add_to(lanes, task, shares ? SHARED : SINGLE);
}

void grid_lanes_begin(grid_lanes *lanes, int lane)
{
    grid_driver_begin(lanes->driver, lane, lanes->counts[lane]);
}

void grid_lanes_remove(grid_lanes *lanes, grid_task *task)
{
    curl_multi_remove_handle(lanes->multis[task->lane], task->easy);
    lanes->counts[task->lane]--;
}

bool grid_lanes_restart(grid_lanes *lanes, grid_task *task)
{
    CURLM *multi = lanes->multis[task->lane];

    curl_multi_remove_handle(multi, task->easy);
    curl_multi_setopt(multi, (CURLMoption)NETWORK_CHANGED, (long)CLEAR_CONNECTIONS);
    grid_options_set_series(task->easy, lanes->connections->series);
    curl_easy_setopt(task->easy, CURLOPT_FRESH_CONNECT, task->lease.is_refused ? 1L : 0L);
    if (curl_multi_add_handle(multi, task->easy) != CURLM_OK)
        return false;
    grid_lanes_begin(lanes, task->lane);
    return true;
}

static CURLMsg *next_message(grid_lanes *lanes)
{
    CURLMsg *message = NULL;
    int left;

    for (int lane = 0; lane < GRID_LANES && !message; lane++)
        if (lanes->multis[lane])
            message = curl_multi_info_read(lanes->multis[lane], &left);
    return message;
}

grid_task *grid_lanes_next_done(grid_lanes *lanes, CURLcode *code)
{
    const CURLMsg *message = next_message(lanes);
    char *private = NULL;

    while (message && message->msg != CURLMSG_DONE)
        message = next_message(lanes);
    if (!message)
        return NULL;
    *code = message->data.result; /* curl_multi_remove_handle frees the message */
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
    return (grid_task *)(void *)private;
}

/* Moves unsent tasks, which would otherwise wait for one of few shared connections. They
 * stay in their lane if libcurl (8.22) has no descriptor for another multi handle. A task
 * that cannot be added, since memory is exhausted, ends at its deadline, and is counted
 * in its previous lane. */
static void move_unsent(grid_lanes *lanes, uint64_t origin, const grid_task_list *running)
{
    bool has_failed = false;

    for (grid_task *task = running->first; task; task = task->next) {
        if (task->is_sent || task->lane != SHARED || task->origin != origin)
            continue;
        grid_lanes_remove(lanes, task);
        if (add_to(lanes, task, SINGLE) == CURLM_OK)
            continue;
        has_failed = true;
        if (add_to(lanes, task, SHARED) != CURLM_OK)
            lanes->counts[SHARED]++;
    }
    grid_lanes_begin(lanes, SINGLE);
    if (has_failed)
        grid_lanes_begin(lanes, SHARED);
}

void grid_lanes_set_http2(grid_lanes *lanes, const grid_task *task, bool is_http2, const grid_task_list *running)
{
    if (is_http2) {
        grid_origins_remove(&lanes->origins, task->origin);
    } else if (task->lane == SHARED && !grid_origins_has(&lanes->origins, task->origin)) {
        grid_origins_add(&lanes->origins, task->origin);
        move_unsent(lanes, task->origin, running);
    }
}
